/* (24, 50) @ (50, 40): 2 tasks of 24 rows x 24 columns, in tiles of 4 rows */
void product_0(
    int64_t task_start,
    int64_t task_stop,
    const float *a,
    const float *b,
    const float *p0 __attribute__((unused)),
    const float *p1 __attribute__((unused)),
    const float *p2 __attribute__((unused)),
    float *p3 __attribute__((unused))) {
    float sums[96] __attribute__((aligned(64)));
    for (int64_t task = task_start; task < task_stop; ++task) {
        const int64_t panel = task % 2;
        const int64_t column = panel * 24;
        const int64_t columns = 24 < 40 - column ? 24 : 40 - column;
        const int64_t row_start = 0;
        const int64_t row_stop = 24;
        const float *b_panel = b + panel * 1200;
        for (int64_t row = row_start; row < row_stop; row += 4) {
            if (panel < 1) {
                multiply_4x24_f32x8(50, a + row * 50, 50, 1, b_panel, 24, sums, 24, 0);
            } else {
                multiply_4x16_f32x8(50, a + row * 50, 50, 1, b_panel, 24, sums, 24, 0);
            }
#pragma GCC unroll 1
            for (int64_t r = 0; r < 4; ++r) {
                for (int64_t offset = 0; offset < columns; offset += 8) {
                    f32x8 value = load_f32x8(sums + r * 24 + offset);
                    f32x8 v15 = load_f32x8(p2 + (column + offset));
                    f32x8 v16 = value + v15;
                    f32x8 v17 = v16 * broadcast_f32x8(0.5f);
                    f32x8 v18 = v16 * broadcast_f32x8(0.70710677f);
                    f32x8 v19 = erf_f32x8(v18);
                    f32x8 v20 = v19 + broadcast_f32x8(1.0f);
                    f32x8 v21 = v17 * v20;
                    store_f32x8(p3 + (row + r) * 40 + (column + offset), v21);
                }
            }
        }
    }
}

/* matmul, add, multiply, multiply, erf, add, multiply
 *   product: (24, 50) @ (50, 40) */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    const float *p2 = operands[2];
    float *p3 = operands[3];
    product_0(task, task + 1, p0, p1, p0, p1, p2, p3);
}

