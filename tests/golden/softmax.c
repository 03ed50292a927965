/* max, subtract, exp, sum, divide
 *   maximum into [24, 1] float32
 *   elements of [24, 50] float32
 *   add into [24, 1] float32
 *   elements of [24, 50] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    for (int64_t row = 0; row < 24; ++row) {
        float row1[56] __attribute__((aligned(64)));
        f32x8 reduced2 = broadcast_f32x8(-__builtin_inff());
        for (int64_t i3 = 0; i3 < 48; i3 += 8) {
            f32x8 v4 = load_f32x8(p0 + row * 50 + i3);
            reduced2 = maximum_f32x8(reduced2, v4);
        }
        {
            f32x8 v5 = load_partial_f32x8(p0 + row * 50 + 48, 2);
            reduced2 = select_f32x8((i32x8){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)2, maximum_f32x8(reduced2, v5), reduced2);
        }
        reduced2 = broadcast_f32x8(horizontal_maximum_f32x8(reduced2));
        f32x8 sum6 = broadcast_f32x8(0.0f);
#pragma GCC unroll 1
        for (int64_t i7 = 0; i7 < 48; i7 += 8) {
            f32x8 v8 = load_f32x8(p0 + row * 50 + i7);
            f32x8 v9 = v8 - reduced2;
            f32x8 v10 = exp_f32x8(v9);
            store_f32x8(row1 + i7, v10);
            sum6 = sum6 + v10;
        }
        {
            f32x8 v11 = load_partial_f32x8(p0 + row * 50 + 48, 2);
            f32x8 v12 = v11 - reduced2;
            f32x8 v13 = exp_f32x8(v12);
            store_partial_f32x8(row1 + 48, v13, 2);
            sum6 = select_f32x8((i32x8){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)2, sum6 + v13, sum6);
        }
        sum6 = broadcast_f32x8(horizontal_sum_f32x8(sum6));
        for (int64_t i14 = 0; i14 < 48; i14 += 8) {
            f32x8 v15 = load_f32x8(row1 + i14);
            f32x8 v16 = v15 / sum6;
            store_f32x8(p1 + row * 50 + i14, v16);
        }
        {
            f32x8 v17 = load_partial_f32x8(row1 + 48, 2);
            f32x8 v18 = v17 / sum6;
            store_partial_f32x8(p1 + row * 50 + 48, v18, 2);
        }
    }
}

