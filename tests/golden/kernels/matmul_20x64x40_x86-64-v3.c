#include <stdint.h>

#if !defined(__has_builtin)
/* Compilers before gcc 10. */
#define __has_builtin(name) 0
#endif

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

typedef float f32x8 __attribute__((vector_size(32)));
typedef float f32x8_unaligned __attribute__((vector_size(32), aligned(4), may_alias));

static inline __attribute__((always_inline, unused)) f32x8 load_f32x8(const float *p) {
    return *(const f32x8_unaligned *)p;
}

static inline __attribute__((always_inline, unused)) void store_f32x8(float *p, f32x8 x) {
    *(f32x8_unaligned *)p = x;
}

static inline __attribute__((always_inline, unused)) f32x8 broadcast_f32x8(float x) {
    return (f32x8){x, x, x, x, x, x, x, x};
}

#if __has_builtin(__builtin_elementwise_fma)
static inline __attribute__((always_inline, unused)) f32x8 fma_f32x8(f32x8 a, f32x8 b, f32x8 c) {
    return __builtin_elementwise_fma(a, b, c);
}
#else
#if defined(__FMA__) && (!defined(__clang__) || __has_builtin(__builtin_ia32_vfmaddps256))
static inline __attribute__((always_inline, unused)) f32x8 fma_f32x8(f32x8 a, f32x8 b, f32x8 c) {
    return __builtin_ia32_vfmaddps256(a, b, c);
}
#else
static inline __attribute__((always_inline, unused)) f32x8 fma_f32x8(f32x8 a, f32x8 b, f32x8 c) {
    f32x8 result;
    for (int lane = 0; lane < 8; ++lane) {
        result[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
    }
    return result;
}
#endif
#endif

static inline __attribute__((always_inline, unused)) f32x8 load_partial_f32x8(const float *p, int64_t n) {
    f32x8 x;
    for (int lane = 0; lane < 8; ++lane) {
        x[lane] = lane < n ? p[lane] : 0.0f;
    }
    return x;
}

/* sums[4][24] += a[4][steps] b[steps][24], kept in registers. */
static __attribute__((noinline, unused)) void multiply_4x24_f32x8(
    int64_t steps,
    const float *a,
    int64_t a_row_stride __attribute__((unused)),
    int64_t a_depth_stride,
    const float *b,
    int64_t b_depth_stride,
    float *sums,
    int64_t sums_stride __attribute__((unused)),
    int accumulate) {
    f32x8 sum_0_0 = (f32x8){0};
    f32x8 sum_0_1 = (f32x8){0};
    f32x8 sum_0_2 = (f32x8){0};
    f32x8 sum_1_0 = (f32x8){0};
    f32x8 sum_1_1 = (f32x8){0};
    f32x8 sum_1_2 = (f32x8){0};
    f32x8 sum_2_0 = (f32x8){0};
    f32x8 sum_2_1 = (f32x8){0};
    f32x8 sum_2_2 = (f32x8){0};
    f32x8 sum_3_0 = (f32x8){0};
    f32x8 sum_3_1 = (f32x8){0};
    f32x8 sum_3_2 = (f32x8){0};
    for (int64_t k = 0; k < steps; ++k) {
        f32x8 b_0 = load_f32x8(b);
        f32x8 b_1 = load_f32x8(b + 8);
        f32x8 b_2 = load_f32x8(b + 16);
        f32x8 a_0 = broadcast_f32x8(a[0]);
        sum_0_0 = fma_f32x8(a_0, b_0, sum_0_0);
        sum_0_1 = fma_f32x8(a_0, b_1, sum_0_1);
        sum_0_2 = fma_f32x8(a_0, b_2, sum_0_2);
        f32x8 a_1 = broadcast_f32x8(a[a_row_stride]);
        sum_1_0 = fma_f32x8(a_1, b_0, sum_1_0);
        sum_1_1 = fma_f32x8(a_1, b_1, sum_1_1);
        sum_1_2 = fma_f32x8(a_1, b_2, sum_1_2);
        f32x8 a_2 = broadcast_f32x8(a[a_row_stride * 2]);
        sum_2_0 = fma_f32x8(a_2, b_0, sum_2_0);
        sum_2_1 = fma_f32x8(a_2, b_1, sum_2_1);
        sum_2_2 = fma_f32x8(a_2, b_2, sum_2_2);
        f32x8 a_3 = broadcast_f32x8(a[a_row_stride * 3]);
        sum_3_0 = fma_f32x8(a_3, b_0, sum_3_0);
        sum_3_1 = fma_f32x8(a_3, b_1, sum_3_1);
        sum_3_2 = fma_f32x8(a_3, b_2, sum_3_2);
        a += a_depth_stride;
        b += b_depth_stride;
    }
    if (accumulate) {
        sum_0_0 += load_f32x8(sums);
        sum_0_1 += load_f32x8(sums + 8);
        sum_0_2 += load_f32x8(sums + 16);
        sum_1_0 += load_f32x8(sums + sums_stride);
        sum_1_1 += load_f32x8(sums + sums_stride + 8);
        sum_1_2 += load_f32x8(sums + sums_stride + 16);
        sum_2_0 += load_f32x8(sums + sums_stride * 2);
        sum_2_1 += load_f32x8(sums + sums_stride * 2 + 8);
        sum_2_2 += load_f32x8(sums + sums_stride * 2 + 16);
        sum_3_0 += load_f32x8(sums + sums_stride * 3);
        sum_3_1 += load_f32x8(sums + sums_stride * 3 + 8);
        sum_3_2 += load_f32x8(sums + sums_stride * 3 + 16);
    }
    store_f32x8(sums, sum_0_0);
    store_f32x8(sums + 8, sum_0_1);
    store_f32x8(sums + 16, sum_0_2);
    store_f32x8(sums + sums_stride, sum_1_0);
    store_f32x8(sums + sums_stride + 8, sum_1_1);
    store_f32x8(sums + sums_stride + 16, sum_1_2);
    store_f32x8(sums + sums_stride * 2, sum_2_0);
    store_f32x8(sums + sums_stride * 2 + 8, sum_2_1);
    store_f32x8(sums + sums_stride * 2 + 16, sum_2_2);
    store_f32x8(sums + sums_stride * 3, sum_3_0);
    store_f32x8(sums + sums_stride * 3 + 8, sum_3_1);
    store_f32x8(sums + sums_stride * 3 + 16, sum_3_2);
}

/* sums[4][16] += a[4][steps] b[steps][16], kept in registers. */
static __attribute__((noinline, unused)) void multiply_4x16_f32x8(
    int64_t steps,
    const float *a,
    int64_t a_row_stride __attribute__((unused)),
    int64_t a_depth_stride,
    const float *b,
    int64_t b_depth_stride,
    float *sums,
    int64_t sums_stride __attribute__((unused)),
    int accumulate) {
    f32x8 sum_0_0 = (f32x8){0};
    f32x8 sum_0_1 = (f32x8){0};
    f32x8 sum_1_0 = (f32x8){0};
    f32x8 sum_1_1 = (f32x8){0};
    f32x8 sum_2_0 = (f32x8){0};
    f32x8 sum_2_1 = (f32x8){0};
    f32x8 sum_3_0 = (f32x8){0};
    f32x8 sum_3_1 = (f32x8){0};
    for (int64_t k = 0; k < steps; ++k) {
        f32x8 b_0 = load_f32x8(b);
        f32x8 b_1 = load_f32x8(b + 8);
        f32x8 a_0 = broadcast_f32x8(a[0]);
        sum_0_0 = fma_f32x8(a_0, b_0, sum_0_0);
        sum_0_1 = fma_f32x8(a_0, b_1, sum_0_1);
        f32x8 a_1 = broadcast_f32x8(a[a_row_stride]);
        sum_1_0 = fma_f32x8(a_1, b_0, sum_1_0);
        sum_1_1 = fma_f32x8(a_1, b_1, sum_1_1);
        f32x8 a_2 = broadcast_f32x8(a[a_row_stride * 2]);
        sum_2_0 = fma_f32x8(a_2, b_0, sum_2_0);
        sum_2_1 = fma_f32x8(a_2, b_1, sum_2_1);
        f32x8 a_3 = broadcast_f32x8(a[a_row_stride * 3]);
        sum_3_0 = fma_f32x8(a_3, b_0, sum_3_0);
        sum_3_1 = fma_f32x8(a_3, b_1, sum_3_1);
        a += a_depth_stride;
        b += b_depth_stride;
    }
    if (accumulate) {
        sum_0_0 += load_f32x8(sums);
        sum_0_1 += load_f32x8(sums + 8);
        sum_1_0 += load_f32x8(sums + sums_stride);
        sum_1_1 += load_f32x8(sums + sums_stride + 8);
        sum_2_0 += load_f32x8(sums + sums_stride * 2);
        sum_2_1 += load_f32x8(sums + sums_stride * 2 + 8);
        sum_3_0 += load_f32x8(sums + sums_stride * 3);
        sum_3_1 += load_f32x8(sums + sums_stride * 3 + 8);
    }
    store_f32x8(sums, sum_0_0);
    store_f32x8(sums + 8, sum_0_1);
    store_f32x8(sums + sums_stride, sum_1_0);
    store_f32x8(sums + sums_stride + 8, sum_1_1);
    store_f32x8(sums + sums_stride * 2, sum_2_0);
    store_f32x8(sums + sums_stride * 2 + 8, sum_2_1);
    store_f32x8(sums + sums_stride * 3, sum_3_0);
    store_f32x8(sums + sums_stride * 3 + 8, sum_3_1);
}

static inline __attribute__((always_inline, unused)) void store_partial_f32x8(float *p, f32x8 x, int64_t n) {
    for (int lane = 0; lane < 8; ++lane) {
        if (lane < n) {
            p[lane] = x[lane];
        }
    }
}

/* (20, 64) @ (64, 40): 2 tasks of 20 rows x 24 columns, in tiles of 4 rows */
void product(int64_t task_start, int64_t task_stop, const float *a, const float *b, float *out, const float *bias) {
    float sums[96] __attribute__((aligned(64)));
    for (int64_t task = task_start; task < task_stop; ++task) {
        const int64_t panel = task % 2;
        const int64_t column = panel * 24;
        const int64_t columns = 24 < 40 - column ? 24 : 40 - column;
        const int64_t row_start = 0;
        const int64_t row_stop = 20;
        const float *b_panel = b + panel * 1536;
        for (int64_t row = row_start; row < row_stop; row += 4) {
            if (panel < 1) {
                multiply_4x24_f32x8(64, a + row * 64, 64, 1, b_panel, 24, sums, 24, 0);
            } else {
                multiply_4x16_f32x8(64, a + row * 64, 64, 1, b_panel, 24, sums, 24, 0);
            }
            for (int64_t r = 0; r < 4; ++r) {
                for (int64_t offset = 0; offset < columns; offset += 8) {
                    f32x8 value = load_f32x8(sums + r * 24 + offset);
                    store_f32x8(out + ((row + r) * 40 + (column + offset)), value + load_f32x8(bias + (column + offset)));
                }
            }
        }
    }
}
