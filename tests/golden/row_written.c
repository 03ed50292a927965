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

/* add, setitem
 *   elements of [50] float32 */
static void kernel_1(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const float *p0 = operands[0];
    float *p1 = operands[1];
    f32x8 v1 = load_f32x8(p0 + 42);
    f32x8 v2 = v1 + broadcast_f32x8(1.0f);
    for (int64_t i3 = 0; i3 < 48; i3 += 8) {
        f32x8 v4 = load_f32x8(p0 + i3);
        f32x8 v5 = v4 + broadcast_f32x8(1.0f);
        store_f32x8(p1 + i3, v5);
    }
    store_f32x8(p1 + 42, v2);
}

static const struct place places[4] = {{INPUTS, 0, 0}, {OUTPUTS, 0, 0}, {OUTPUTS, 0, 400}, {OUTPUTS, 0, 600}};
static const struct launch launches[2] = {{kernel_0, 1, 2, 0}, {kernel_1, 1, 2, 2}};
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
        void *operands[2];
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
