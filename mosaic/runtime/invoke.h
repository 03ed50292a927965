/* What follows the object head in numpy's ndarray: PyArrayObject_fields of numpy's ndarraytypes.h. Its macros compile
 * these offsets into every extension module, so they are part of numpy's stable binary interface. */
struct numpy_array {
    char *data;
    int ndim;
    const intptr_t *shape;
    const intptr_t *strides;
    const void *base;
    const void *dtype;
    int flags;
};

/* The type that an input must have. */
struct mosaic_type {
    const void *dtype;
    const intptr_t *shape;
    int ndim;
};

/* One call in progress. The first two tables hold addresses of arrays, the next two what generated code gets. */
struct mosaic_call {
    void (*run)(void *const *inputs, void *const *outputs, const unsigned char *constants, unsigned char *arena,
                const struct mosaic_runtime *runtime);
    const uintptr_t *input_arrays;
    const uintptr_t *output_arrays;
    void **inputs;
    void **outputs;
    const struct mosaic_type *input_types;
    int num_inputs;
    int num_outputs;
    const unsigned char *constants;
    unsigned char *arena;
    const struct mosaic_runtime *runtime;
};
