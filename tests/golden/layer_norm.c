/* sum, divide, subtract, multiply, sum, divide, add, sqrt, divide, multiply, add
 *   add into [24, 1] float32
 *   elements of [24, 50] float32
 *   add into [24, 1] float32
 *   elements of [24, 50] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    const float *p2 = operands[2];
    float *p3 = operands[3];
    for (int64_t row = 0; row < 24; ++row) {
        float row1[56] __attribute__((aligned(64)));
        f32x8 sum2 = broadcast_f32x8(0.0f);
        for (int64_t i3 = 0; i3 < 48; i3 += 8) {
            f32x8 v4 = load_f32x8(p0 + row * 50 + i3);
            sum2 = sum2 + v4;
        }
        {
            f32x8 v5 = load_partial_f32x8(p0 + row * 50 + 48, 2);
            sum2 = select_f32x8((i32x8){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)2, sum2 + v5, sum2);
        }
        sum2 = broadcast_f32x8(horizontal_sum_f32x8(sum2));
        f32x8 sum6 = broadcast_f32x8(0.0f);
        f32x8 v9 = sum2 / broadcast_f32x8(50.0f);
        for (int64_t i7 = 0; i7 < 48; i7 += 8) {
            f32x8 v8 = load_f32x8(p0 + row * 50 + i7);
            f32x8 v10 = v8 - v9;
            store_f32x8(row1 + i7, v10);
            f32x8 v11 = v10 * v10;
            sum6 = sum6 + v11;
        }
        {
            f32x8 v12 = load_partial_f32x8(p0 + row * 50 + 48, 2);
            f32x8 v13 = v12 - v9;
            store_partial_f32x8(row1 + 48, v13, 2);
            f32x8 v14 = v13 * v13;
            sum6 = select_f32x8((i32x8){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)2, sum6 + v14, sum6);
        }
        sum6 = broadcast_f32x8(horizontal_sum_f32x8(sum6));
        f32x8 v17 = sum6 / broadcast_f32x8(50.0f);
        f32x8 v18 = v17 + broadcast_f32x8(1e-12f);
        f32x8 v19 = sqrt_f32x8(v18);
        for (int64_t i15 = 0; i15 < 48; i15 += 8) {
            f32x8 v16 = load_f32x8(row1 + i15);
            f32x8 v20 = v16 / v19;
            f32x8 v21 = load_f32x8(p1 + i15);
            f32x8 v22 = v20 * v21;
            f32x8 v23 = load_f32x8(p2 + i15);
            f32x8 v24 = v22 + v23;
            store_f32x8(p3 + row * 50 + i15, v24);
        }
        {
            f32x8 v25 = load_partial_f32x8(row1 + 48, 2);
            f32x8 v26 = v25 / v19;
            f32x8 v27 = load_partial_f32x8(p1 + 48, 2);
            f32x8 v28 = v26 * v27;
            f32x8 v29 = load_partial_f32x8(p2 + 48, 2);
            f32x8 v30 = v28 + v29;
            store_partial_f32x8(p3 + row * 50 + 48, v30, 2);
        }
    }
}

