/* multiply
 *   elements of [1200] float32 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    for (int64_t i1 = 0; i1 < 1200; i1 += 8) {
        f32x8 v2 = load_f32x8(p0 + i1);
        f32x8 v3 = v2 * broadcast_f32x8(2.0f);
        store_f32x8(p1 + i1, v3);
    }
}

/* multiply, setitem
 *   elements of [12, 8] float32 */
static void kernel_1(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    float *p2 = operands[2];
    for (int64_t row = 0; row < 12; ++row) {
        for (int64_t i1 = 0; i1 < 8; i1 += 8) {
            f32x8 v2 = load_f32x8(p0 + row * 100 + i1);
            f32x8 v3 = load_f32x8(p1 + row * 50 + i1);
            f32x8 v4 = v2 * v3;
            store_f32x8(p2 + row * 100 + i1, v4);
        }
    }
}

static const struct place places[5] = {
    {INPUTS, 0, 0}, {OUTPUTS, 0, 0}, {OUTPUTS, 0, 204}, {INPUTS, 0, 0}, {OUTPUTS, 0, 4},
};
static const struct launch launches[2] = {{kernel_0, 1, 2, 0}, {kernel_1, 1, 3, 2}};
static const struct region regions[1] = {{0, 2, 0, 0}};

/* Runs launches in order, each on all threads if it has several tasks; keeps their times while profiling. */
static void run_launches(
    void *const *inputs,
    void *const *outputs,
    const unsigned char *constants,
    unsigned char *arena,
    const struct mosaic_runtime *runtime,
    int64_t first,
    int64_t stop) {
    void *const constant_block = (void *)constants;
    void *const arena_block = arena;
    void *const *const tables[4] = {inputs, outputs, &constant_block, &arena_block};
    for (int64_t number = first; number < stop; ++number) {
        const struct launch *launch = launches + number;
        void *operands[3];
        for (int64_t operand = 0; operand < launch->num_operands; ++operand) {
            const struct place *place = places + (launch->first_place + operand);
            operands[operand] = (unsigned char *)tables[place->table][place->number] + place->num_bytes;
        }
        const long long start_ns = runtime->kernel_ns ? runtime->clock_ns() : 0;
        runtime->parallel_for(runtime, launch->kernel, operands, launch->num_tasks);
        if (runtime->kernel_ns) {
            runtime->kernel_ns[number] += runtime->clock_ns() - start_ns;
        }
    }
}

void mosaic_run(
    void *const *inputs,
    void *const *outputs,
    const unsigned char *constants,
    unsigned char *arena,
    const struct mosaic_runtime *runtime) {
    const struct region *region = regions + runtime->region;
    for (int64_t slot = 0; slot < region->num_status; ++slot) {
        ((int64_t *)outputs[region->status_output])[slot] = 0;
    }
    run_launches(inputs, outputs, constants, arena, runtime, region->first, region->stop);
}
