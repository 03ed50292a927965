/* add
 *   elements of [1200] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    for (int64_t i1 = 0; i1 < 1200; i1 += 8) {
        f32x8 v2 = load_f32x8(p0 + i1);
        f32x8 v3 = v2 + broadcast_f32x8(1.0f);
        store_f32x8(p1 + i1, v3);
    }
}

