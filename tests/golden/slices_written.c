/* multiply
 *   elements of [1200] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    for (int64_t i1 = 0; i1 < 1200; i1 += 8) {
        f32x8 v2 = load_f32x8(p0 + i1);
        f32x8 v3 = v2 * broadcast_f32x8(2.0f);
        store_f32x8(p1 + i1, v3);
    }
}

/* multiply, setitem
 *   elements of [12, 8] float32 */
static void kernel_1(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    float *p2 = operands[2];
    for (int64_t row = 0; row < 12; ++row) {
        for (int64_t i1 = 0; i1 < 8; i1 += 8) {
            f32x8 v2 = load_f32x8(p0 + row * 100 + i1);
            f32x8 v3 = load_f32x8(p1 + row * 50 + i1);
            f32x8 v4 = v2 * v3;
            store_f32x8(p2 + row * 100 + i1, v4);
        }
    }
}

void mosaic_run(
    void *const *inputs,
    void *const *outputs,
    const unsigned char *constants,
    unsigned char *arena,
    const struct mosaic_runtime *runtime) {
    (void)inputs;
    (void)outputs;
    (void)constants;
    (void)arena;
    (void)runtime;
    {
        void *operands[2] = {(void *)(unsigned char *)inputs[0], (void *)(unsigned char *)outputs[0]};
        launch(runtime, 0, kernel_0, operands, 1);
    }
    {
        void *operands[3] = {
            (void *)((unsigned char *)outputs[0] + 204), (void *)(unsigned char *)inputs[0],
            (void *)((unsigned char *)outputs[0] + 4),
        };
        launch(runtime, 1, kernel_1, operands, 1);
    }
}
