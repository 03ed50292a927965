static inline __attribute__((always_inline, unused)) void stream_f32x8(float *p, f32x8 x) {
    if ((uintptr_t)p % 32 == 0) {
        __builtin_nontemporal_store(x, (f32x8 *)p);
    } else {
        store_f32x8(p, x);
    }
}
#else
#if defined(__AVX__)
static inline __attribute__((always_inline, unused)) void stream_f32x8(float *p, f32x8 x) {
    if ((uintptr_t)p % 32 == 0) {
        __builtin_ia32_movntps256(p, x);
    } else {
        store_f32x8(p, x);
    }
}
#else
static inline __attribute__((always_inline, unused)) void stream_f32x8(float *p, f32x8 x) {
    store_f32x8(p, x);
}
#endif
#endif

#if defined(__SSE2__)
static inline __attribute__((always_inline, unused)) void finish_streams(void) {
    __builtin_ia32_sfence();
}
#else
static inline __attribute__((always_inline, unused)) void finish_streams(void) {
}
#endif

/* max, subtract, exp, sum, divide
 *   maximum into [24, 1] float32
 *   elements of [24, 48] float32
 *   add into [24, 1] float32
 *   elements of [24, 48] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    for (int64_t row = 0; row < 24; ++row) {
        float row1[48] __attribute__((aligned(64)));
        f32x8 reduced2 = broadcast_f32x8(-__builtin_inff());
        for (int64_t i3 = 0; i3 < 48; i3 += 8) {
            __builtin_prefetch(p0 + row * 48 + i3 + 1024);
            f32x8 v4 = load_f32x8(p0 + row * 48 + i3);
            reduced2 = maximum_f32x8(reduced2, v4);
        }
        reduced2 = broadcast_f32x8(horizontal_maximum_f32x8(reduced2));
        f32x8 sum5 = broadcast_f32x8(0.0f);
#pragma GCC unroll 1
        for (int64_t i6 = 0; i6 < 48; i6 += 8) {
            f32x8 v7 = load_f32x8(p0 + row * 48 + i6);
            f32x8 v8 = v7 - reduced2;
            f32x8 v9 = exp_f32x8(v8);
            store_f32x8(row1 + i6, v9);
            sum5 = sum5 + v9;
        }
        sum5 = broadcast_f32x8(horizontal_sum_f32x8(sum5));
        for (int64_t i10 = 0; i10 < 48; i10 += 8) {
            f32x8 v11 = load_f32x8(row1 + i10);
            f32x8 v12 = v11 / sum5;
            stream_f32x8(p1 + row * 48 + i10, v12);
        }
    }
    finish_streams();
}

