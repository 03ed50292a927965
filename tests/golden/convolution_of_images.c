/* 16 times (18, 27) @ (27, 40): 3 tasks of 16 times 18 rows x 16 columns, in tiles of 6 rows */
void product_1(
    int64_t task_start,
    int64_t task_stop,
    const float *a,
    const float *b,
    const float *p0 __attribute__((unused)),
    const float *p1 __attribute__((unused)),
    float *p2 __attribute__((unused))) {
    float sums[96] __attribute__((aligned(64)));
    for (int64_t task = task_start; task < task_stop; ++task) {
        const int64_t panel = task % 3;
        const int64_t column = panel * 16;
        const int64_t columns = 16 < 40 - column ? 16 : 40 - column;
        const int64_t line_start = task / 3 * 16;
        const int64_t line_stop = line_start + 16 < 16 ? line_start + 16 : 16;
        const int64_t row_start = 0;
        const int64_t row_stop = 18;
        const float *b_panel = b + panel * 432;
        for (int64_t line = line_start; line < line_stop; ++line) {
            const int64_t line_0 __attribute__((unused)) = line / 8;
            const int64_t line_1 __attribute__((unused)) = line % 8;
            const float *a_line __attribute__((unused)) = a + line_0 * 600 + line_1 * 60;
            for (int64_t row = row_start; row < row_stop; row += 6) {
                if (panel < 2) {
                    multiply_6x16_f32x8_turns(3, product_1_starts, 9, a_line + row * 3, 3, 1, b_panel, 16, sums, 16, 0);
                } else {
                    multiply_6x8_f32x8_turns(3, product_1_starts, 9, a_line + row * 3, 3, 1, b_panel, 16, sums, 16, 0);
                }
                for (int64_t r = 0; r < 6; ++r) {
                    for (int64_t offset = 0; offset < columns; offset += 8) {
                        f32x8 value = load_f32x8(sums + r * 16 + offset);
                        store_f32x8(p2 + line_0 * 5760 + line_1 * 720 + (row + r) * 40 + (column + offset), value);
                    }
                }
            }
        }
    }
}

static inline __attribute__((always_inline, unused)) f32x8 load_strided_f32x8(const float *p, int64_t stride) {
    return (f32x8){p[0], p[stride], p[stride * 2], p[stride * 3], p[stride * 4], p[stride * 5], p[stride * 6], p[stride * 7]};
}

typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8_unaligned __attribute__((vector_size(32), aligned(4), may_alias));

static inline __attribute__((always_inline, unused)) f32x8 select_f32x8(i32x8 mask, f32x8 a, f32x8 b) {
    return (f32x8)((mask & (i32x8)a) | (~mask & (i32x8)b));
}

/* convolution
 *   elements of [2, 3, 200] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    int64_t r0 = 0;
    int64_t r1 = 0;
    for (int64_t row = 0; row < 6; ++row) {
        for (int64_t i1 = 0; i1 < 200; i1 += 8) {
            f32x8 v2 = load_f32x8(p0 + r0 * 600 + r1 * 200 + i1);
            store_strided_f32x8(p1 + r0 * 600 + r1 + i1 * 3, 3, v2, 8);
        }
        r1 += 1;
        if (r1 == 3) {
            r1 = 0;
            r0 += 1;
        }
    }
}

/* convolution
 *   product: [2, 8] times (18, 27) @ (27, 40) */
static void kernel_1(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    float *p2 = operands[2];
    product_1(task, task + 1, p0, p1, p0, p1, p2);
}

/* add, relu
 *   elements of [2, 40, 144] float32 */
static void kernel_2(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    float *p2 = operands[2];
    int64_t r0 = 0;
    int64_t r1 = 0;
    for (int64_t row = 0; row < 80; ++row) {
        f32x8 v3 = broadcast_f32x8(*(p1 + r1));
        for (int64_t i1 = 0; i1 < 144; i1 += 8) {
            f32x8 v2 = load_strided_f32x8(p0 + r0 * 5760 + r1 + i1 * 40, 40);
            f32x8 v4 = v2 + v3;
            i32x8 v5 = v4 < broadcast_f32x8(0.0f);
            f32x8 v6 = select_f32x8(v5, broadcast_f32x8(0.0f), v4);
            store_f32x8(p2 + r0 * 5760 + r1 * 144 + i1, v6);
        }
        r1 += 1;
        if (r1 == 40) {
            r1 = 0;
            r0 += 1;
        }
    }
}

