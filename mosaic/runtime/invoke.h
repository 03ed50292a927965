/* The fields of numpy's ndarray behind the object head: PyArrayObject_fields in ndarraytypes.h. numpy's macros compile
 * these offsets into every extension module, so they are part of its stable binary interface. */
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

/* How a run learns that it should stop. Between tasks the calling thread asks `hear`, at most every 50 milliseconds:
 * 0 means go on, 1 means stop, 2 means go on and do not ask again. */
struct mosaic_watch {
    int (*hear)(void);
    long long heard_ns; /* when `hear` was last asked; 0 before the first time */
    int num_quiet;      /* tasks of this run so far that did not read the clock */
    int is_stopped;
};

/* One call in progress. input_arrays and output_arrays hold addresses behind the heads of ndarray objects; inputs and
 * outputs get the addresses of their elements, for generated code. */
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

/* Functions of CPython and of numpy, found in the running process; objects are opaque. */
struct mosaic_python {
    void *(*tuple_item)(void *tuple, intptr_t index);
    intptr_t (*tuple_size)(void *tuple);
    void *(*as_pointer)(void *number);
    void *(*call_with)(void *callable, void *arguments);
    void *(*new_tuple)(intptr_t size);
    int (*set_tuple_item)(void *tuple, intptr_t index, void *item);
    void *(*new_list)(intptr_t size);
    int (*set_list_item)(void *list, intptr_t index, void *item);
    void *(*leave)(void);
    void (*enter)(void *thread);
    void (*hold)(void *object);
    void (*drop)(void *object);
    void *(*empty_array)(int ndim, const intptr_t *shape, void *dtype, int is_fortran);
    void *(*as_returned)(void *array);
    const void *array_class;
    const void *tuple_class;
    intptr_t head_bytes;
};

/* The type of an output, and a Python function that makes its array, or NULL where numpy makes it. */
struct mosaic_result {
    void *dtype;
    const intptr_t *shape;
    int ndim;
    int is_scalar;
    int is_fortran;
    void *maker;
};

/* The free arenas of a program, as a linked list: the first bytes of an arena point to the next one. */
struct mosaic_arenas {
    void *free;
    int is_locked;
};

/* What the builtin functions of a compiled function need. Python keeps alive what this points to. */
struct mosaic_builtin {
    const struct mosaic_python *python;
    void (*run)(void *const *inputs, void *const *outputs, const unsigned char *constants, unsigned char *arena,
                const struct mosaic_runtime *runtime);
    const struct mosaic_type *input_types;
    const struct mosaic_result *results;
    int num_inputs;
    int num_outputs;
    int num_status; /* numbers in an output behind the others; one is not 0 if an index is out of bounds */
    const unsigned char *constants;
    const struct mosaic_runtime *runtime;
    void *fallback;
    void *single_fallback;
    void *arena_maker;
    struct mosaic_arenas *arenas;
    int (*hear)(void);
    void *stopper; /* a Python function that raises the exception that stopped a run */
};
