/* convolve
 *   add into [46] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    float *p2 = operands[2];
    for (int64_t i1 = 0; i1 < 32; i1 += 32) {
        f32x8 sum2 = broadcast_f32x8(0.0f);
        f32x8 sum3 = broadcast_f32x8(0.0f);
        f32x8 sum4 = broadcast_f32x8(0.0f);
        f32x8 sum5 = broadcast_f32x8(0.0f);
        for (int64_t s6 = 0; s6 < 5; ++s6) {
            f32x8 v8 = broadcast_f32x8(*(p1 + s6 * -1));
            f32x8 v7 = load_f32x8(p0 + i1 + s6);
            f32x8 v9 = v7 * v8;
            sum2 = sum2 + v9;
            f32x8 v10 = load_f32x8(p0 + (i1 + 8) + s6);
            f32x8 v11 = v10 * v8;
            sum3 = sum3 + v11;
            f32x8 v12 = load_f32x8(p0 + (i1 + 16) + s6);
            f32x8 v13 = v12 * v8;
            sum4 = sum4 + v13;
            f32x8 v14 = load_f32x8(p0 + (i1 + 24) + s6);
            f32x8 v15 = v14 * v8;
            sum5 = sum5 + v15;
        }
        store_f32x8(p2 + i1, sum2);
        store_f32x8(p2 + (i1 + 8), sum3);
        store_f32x8(p2 + (i1 + 16), sum4);
        store_f32x8(p2 + (i1 + 24), sum5);
    }
    for (int64_t i16 = 32; i16 < 40; i16 += 8) {
        f32x8 sum17 = broadcast_f32x8(0.0f);
        for (int64_t s18 = 0; s18 < 5; ++s18) {
            f32x8 v19 = load_f32x8(p0 + i16 + s18);
            f32x8 v20 = broadcast_f32x8(*(p1 + s18 * -1));
            f32x8 v21 = v19 * v20;
            sum17 = sum17 + v21;
        }
        store_f32x8(p2 + i16, sum17);
    }
    {
        f32x8 sum22 = broadcast_f32x8(0.0f);
        for (int64_t s23 = 0; s23 < 5; ++s23) {
            f32x8 v24 = load_partial_f32x8(p0 + 40 + s23, 6);
            f32x8 v25 = broadcast_f32x8(*(p1 + s23 * -1));
            f32x8 v26 = v24 * v25;
            sum22 = sum22 + v26;
        }
        store_partial_f32x8(p2 + 40, sum22, 6);
    }
}

/* convolve
 *   add into [1] float32 */
static void kernel_1(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    float *p2 = operands[2];
    const int64_t turn0 = *(const int64_t *)operands[3];
    const int64_t extent0 = turn0 + 1;
    f32x8 sum1 = broadcast_f32x8(0.0f);
    if (extent0 % 8) {
        f32x8 v2 = load_partial_f32x8(p0 + (extent0 - extent0 % 8), extent0 % 8);
        f32x8 v3 = load_strided_partial_f32x8(p1 + (extent0 - extent0 % 8) * -1, -1, extent0 % 8);
        f32x8 v4 = v2 * v3;
        sum1 = select_f32x8((i32x8){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)(extent0 % 8), sum1 + v4, sum1);
    }
    sum1 = broadcast_f32x8(horizontal_sum_f32x8(sum1));
    store_partial_f32x8(p2, sum1, 1);
}

/* convolve
 *   add into [1] float32 */
static void kernel_2(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    float *p2 = operands[2];
    const int64_t turn0 = *(const int64_t *)operands[3];
    const int64_t extent0 = turn0 * -1 + 4;
    f32x8 sum1 = broadcast_f32x8(0.0f);
    if (extent0 % 8) {
        f32x8 v2 = load_partial_f32x8(p0 + (extent0 - extent0 % 8), extent0 % 8);
        f32x8 v3 = load_strided_partial_f32x8(p1 + (extent0 - extent0 % 8) * -1, -1, extent0 % 8);
        f32x8 v4 = v2 * v3;
        sum1 = select_f32x8((i32x8){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)(extent0 % 8), sum1 + v4, sum1);
    }
    sum1 = broadcast_f32x8(horizontal_sum_f32x8(sum1));
    store_partial_f32x8(p2, sum1, 1);
}

