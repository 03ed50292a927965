/* add, cumprod
 *   24 turns of
 *   elements of [50] float32
 *   elements of [50] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    for (int64_t i1 = 0; i1 < 32; i1 += 32) {
        f32x8 carried3 = broadcast_f32x8(1.0f);
        f32x8 carried4 = broadcast_f32x8(1.0f);
        f32x8 carried5 = broadcast_f32x8(1.0f);
        f32x8 carried6 = broadcast_f32x8(1.0f);
        for (int64_t turn2 = 0; turn2 < 24; ++turn2) {
            f32x8 v7 = load_f32x8(p0 + i1 + turn2 * 50);
            f32x8 v8 = v7 + broadcast_f32x8(1.0f);
            f32x8 v9 = carried3 * v8;
            f32x8 v10 = load_f32x8(p0 + (i1 + 8) + turn2 * 50);
            f32x8 v11 = v10 + broadcast_f32x8(1.0f);
            f32x8 v12 = carried4 * v11;
            f32x8 v13 = load_f32x8(p0 + (i1 + 16) + turn2 * 50);
            f32x8 v14 = v13 + broadcast_f32x8(1.0f);
            f32x8 v15 = carried5 * v14;
            f32x8 v16 = load_f32x8(p0 + (i1 + 24) + turn2 * 50);
            f32x8 v17 = v16 + broadcast_f32x8(1.0f);
            f32x8 v18 = carried6 * v17;
            store_f32x8(p1 + i1 + turn2 * 50, v9);
            store_f32x8(p1 + (i1 + 8) + turn2 * 50, v12);
            store_f32x8(p1 + (i1 + 16) + turn2 * 50, v15);
            store_f32x8(p1 + (i1 + 24) + turn2 * 50, v18);
            carried3 = v9;
            carried4 = v12;
            carried5 = v15;
            carried6 = v18;
        }
    }
    for (int64_t i19 = 32; i19 < 48; i19 += 8) {
        f32x8 carried21 = broadcast_f32x8(1.0f);
#pragma GCC unroll 4
        for (int64_t turn20 = 0; turn20 < 24; ++turn20) {
            f32x8 v22 = load_f32x8(p0 + i19 + turn20 * 50);
            f32x8 v23 = v22 + broadcast_f32x8(1.0f);
            f32x8 v24 = carried21 * v23;
            store_f32x8(p1 + i19 + turn20 * 50, v24);
            carried21 = v24;
        }
    }
    {
        f32x8 carried26 = broadcast_f32x8(1.0f);
#pragma GCC unroll 4
        for (int64_t turn25 = 0; turn25 < 24; ++turn25) {
            f32x8 v27 = load_partial_f32x8(p0 + 48 + turn25 * 50, 2);
            f32x8 v28 = v27 + broadcast_f32x8(1.0f);
            f32x8 v29 = carried26 * v28;
            store_partial_f32x8(p1 + 48 + turn25 * 50, v29, 2);
            carried26 = v29;
        }
    }
}

