/* sum
 *   add into [50] float32 */
static void kernel_0(void *context, long task) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    for (int64_t i1 = 0; i1 < 48; i1 += 8) {
        f32x8 sum2 = broadcast_f32x8(0.0f);
        for (int64_t s3 = 0; s3 < 24; ++s3) {
            f32x8 v4 = load_f32x8(p0 + i1 + s3 * 50);
            sum2 = sum2 + v4;
        }
        store_f32x8(p1 + i1, sum2);
    }
    {
        f32x8 sum5 = broadcast_f32x8(0.0f);
        for (int64_t s6 = 0; s6 < 24; ++s6) {
            f32x8 v7 = load_partial_f32x8(p0 + 48 + s6 * 50, 2);
            sum5 = sum5 + v7;
        }
        store_partial_f32x8(p1 + 48, sum5, 2);
    }
}

