/* (40, 27) @ (27, 18): 1 tasks of 40 rows x 24 columns, in tiles of 4 rows */
void product_0(
    int64_t task_start,
    int64_t task_stop,
    const float *a,
    const float *b,
    int64_t r0 __attribute__((unused)),
    int64_t r1 __attribute__((unused)),
    const float *p0 __attribute__((unused)),
    const float *p1 __attribute__((unused)),
    const float *p2 __attribute__((unused)),
    float *p3 __attribute__((unused))) {
    float sums[96] __attribute__((aligned(64)));
    for (int64_t task = task_start; task < task_stop; ++task) {
        const int64_t panel = 0;
        const int64_t column = panel * 24;
        const int64_t columns = 24 < 18 - column ? 24 : 18 - column;
        const int64_t row_start = 0;
        const int64_t row_stop = 40;
        const float *b_panel = b + panel * 24;
        for (int64_t row = row_start; row < row_stop; row += 4) {
            multiply_4x24_f32x8_partial_table(27, a + row * 27, 27, 1, b_panel, product_0_starts, sums, 24, 0, 2);
            for (int64_t r = 0; r < 4; ++r) {
                for (int64_t offset = 0; offset < columns - 7; offset += 8) {
                    f32x8 value = load_f32x8(sums + r * 24 + offset);
                    f32x8 v9 = broadcast_f32x8(*(p2 + (row + r)));
                    f32x8 v10 = value + v9;
                    i32x8 v11 = v10 < broadcast_f32x8(0.0f);
                    f32x8 v12 = select_f32x8(v11, broadcast_f32x8(0.0f), v10);
                    store_f32x8(p3 + r0 * 5760 + r1 * 18 + (row + r) * 144 + (column + offset), v12);
                }
                f32x8 value = load_f32x8(sums + r * 24 + 16);
                f32x8 v13 = broadcast_f32x8(*(p2 + (row + r)));
                f32x8 v14 = value + v13;
                i32x8 v15 = v14 < broadcast_f32x8(0.0f);
                f32x8 v16 = select_f32x8(v15, broadcast_f32x8(0.0f), v14);
                store_partial_f32x8(p3 + r0 * 5760 + r1 * 18 + (row + r) * 144 + (column + 16), v16, 2);
            }
        }
    }
}

/* convolution, add, relu
 *   product: [2, 8] times (40, 27) @ (27, 18) */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    const float *p2 = operands[2];
    float *p3 = operands[3];
    const int64_t start = task * 8;
    const int64_t stop = start + 8 < 16 ? start + 8 : 16;
    for (int64_t batch = start; batch < stop; ++batch) {
        const int64_t r0 = batch / 8;
        const int64_t r1 = batch % 8;
        product_0(0, 1, p0, p1 + r0 * 600 + r1 * 20, r0, r1, p0, p1, p2, p3);
    }
}

