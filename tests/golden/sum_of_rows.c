/* sum
 *   add into [50] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    for (int64_t i1 = 0; i1 < 32; i1 += 32) {
        f32x8 sum2 = broadcast_f32x8(0.0f);
        f32x8 sum3 = broadcast_f32x8(0.0f);
        f32x8 sum4 = broadcast_f32x8(0.0f);
        f32x8 sum5 = broadcast_f32x8(0.0f);
        for (int64_t s6 = 0; s6 < 24; ++s6) {
            f32x8 v7 = load_f32x8(p0 + i1 + s6 * 50);
            sum2 = sum2 + v7;
            f32x8 v8 = load_f32x8(p0 + (i1 + 8) + s6 * 50);
            sum3 = sum3 + v8;
            f32x8 v9 = load_f32x8(p0 + (i1 + 16) + s6 * 50);
            sum4 = sum4 + v9;
            f32x8 v10 = load_f32x8(p0 + (i1 + 24) + s6 * 50);
            sum5 = sum5 + v10;
        }
        store_f32x8(p1 + i1, sum2);
        store_f32x8(p1 + (i1 + 8), sum3);
        store_f32x8(p1 + (i1 + 16), sum4);
        store_f32x8(p1 + (i1 + 24), sum5);
    }
    for (int64_t i11 = 32; i11 < 48; i11 += 8) {
        f32x8 sum12 = broadcast_f32x8(0.0f);
        for (int64_t s13 = 0; s13 < 24; ++s13) {
            f32x8 v14 = load_f32x8(p0 + i11 + s13 * 50);
            sum12 = sum12 + v14;
        }
        store_f32x8(p1 + i11, sum12);
    }
    {
        f32x8 sum15 = broadcast_f32x8(0.0f);
        for (int64_t s16 = 0; s16 < 24; ++s16) {
            f32x8 v17 = load_partial_f32x8(p0 + 48 + s16 * 50, 2);
            sum15 = sum15 + v17;
        }
        store_partial_f32x8(p1 + 48, sum15, 2);
    }
}

