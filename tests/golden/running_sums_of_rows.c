/* cumsum
 *   50 turns of
 *   elements of [24, 1] float32
 *   elements of [24, 1] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    for (int64_t row = 0; row < 24; ++row) {
        {
            f32x8 carried2 = broadcast_f32x8(-0.0f);
#pragma GCC unroll 4
            for (int64_t turn1 = 0; turn1 < 50; ++turn1) {
                f32x8 v3 = broadcast_f32x8(*(p0 + row * 50 + turn1));
                f32x8 v4 = carried2 + v3;
                store_partial_f32x8(p1 + row * 50 + turn1, v4, 1);
                carried2 = v4;
            }
        }
    }
}

