/* One call in progress: what a compiled function is called with. */
struct mosaic_call {
    void (*run)(void *const *inputs, void *const *outputs, const unsigned char *constants, unsigned char *arena,
                const struct mosaic_runtime *runtime);
    void **inputs;
    void **outputs;
    const unsigned char *constants;
    unsigned char *arena;
    const struct mosaic_runtime *runtime;
};
