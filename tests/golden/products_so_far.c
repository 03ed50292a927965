/* byhand
 *   multiply into [12] float64 */
static void kernel_0(void *context, long task, long thread __attribute__((unused))) {
    void **operands = context;
    (void)task;
    const double *p0 = operands[0];
    double *p1 = operands[1];
    const int64_t turn0 = *(const int64_t *)operands[2];
    const int64_t extent0 = turn0 + 1;
    for (int64_t i1 = 0; i1 < 8; i1 += 8) {
        f64x4 reduced2 = broadcast_f64x4(1.0);
        f64x4 reduced3 = broadcast_f64x4(1.0);
        for (int64_t s4 = 0; s4 < extent0; ++s4) {
            f64x4 v5 = load_f64x4(p0 + i1 + s4 * 12);
            reduced2 = reduced2 * v5;
            f64x4 v6 = load_f64x4(p0 + (i1 + 4) + s4 * 12);
            reduced3 = reduced3 * v6;
        }
        store_f64x4(p1 + i1, reduced2);
        store_f64x4(p1 + (i1 + 4), reduced3);
    }
    for (int64_t i7 = 8; i7 < 12; i7 += 4) {
        f64x4 reduced8 = broadcast_f64x4(1.0);
        for (int64_t s9 = 0; s9 < extent0; ++s9) {
            f64x4 v10 = load_f64x4(p0 + i7 + s9 * 12);
            reduced8 = reduced8 * v10;
        }
        store_f64x4(p1 + i7, reduced8);
    }
}

#define INPUTS 0
#define OUTPUTS 1
#define CONSTANTS 2
#define ARENA 3
#define TURNS 4

/* Where an operand lies: bytes behind the start of an array, which has a number in a table,
 * and bytes further for each turn of the loops around its launch. */
struct place {
    int32_t table;
    int32_t number;
    int64_t num_bytes;
    int64_t bytes_per_turn[1];
};

/* A run of a kernel; its operands lie at places next to each other. */
struct launch {
    void (*kernel)(void *, long, long);
    long num_tasks;
    int32_t num_operands;
    int32_t first_place;
};

/* Launches that run turn after turn: the first, the one behind the last; how often, and how much more for each
 * turn of the loops around it. `next` is the loop behind it and those inside it. */
struct loop {
    int64_t first;
    int64_t stop;
    int64_t extent;
    int64_t next;
    int64_t extent_per_turn[1];
};

/* Launches that run together: the first, the one behind the last. An output has places for index errors. */
struct region {
    int64_t first;
    int64_t stop;
    int64_t num_status;
    int64_t status_output;
    int64_t first_loop;
};

static const struct place places[3] = {{INPUTS, 0, 0, {0}}, {OUTPUTS, 0, 0, {96}}, {TURNS, 0, 0, {0}}};
static const struct launch launches[1] = {{kernel_0, 1, 3, 0}};
static const struct loop loops[1] = {{0, 1, 24, 1, {0}}};
static const struct region regions[1] = {{0, 1, 0, 0, 0}};

/* Runs launches in order, each on all threads if it has several tasks; keeps their times while profiling. */
static void run_launches(
    void *const *inputs,
    void *const *outputs,
    const unsigned char *constants,
    unsigned char *arena,
    const struct mosaic_runtime *runtime,
    const int64_t *turns,
    int64_t first,
    int64_t stop) {
    void *const constant_block = (void *)constants;
    void *const arena_block = arena;
    void *const turns_block = (void *)turns;
    void *const *const tables[5] = {inputs, outputs, &constant_block, &arena_block, &turns_block};
    for (int64_t number = first; number < stop; ++number) {
        const struct launch *launch = launches + number;
        void *operands[3];
        for (int64_t operand = 0; operand < launch->num_operands; ++operand) {
            const struct place *place = places + (launch->first_place + operand);
            int64_t num_bytes = place->num_bytes;
            for (int64_t loop = 0; loop < 1; ++loop) {
                num_bytes += turns[loop] * place->bytes_per_turn[loop];
            }
            operands[operand] = (unsigned char *)tables[place->table][place->number] + num_bytes;
        }
        const long long start_ns = runtime->kernel_ns ? runtime->clock_ns() : 0;
        runtime->parallel_for(runtime, launch->kernel, operands, launch->num_tasks);
        if (runtime->kernel_ns) {
            runtime->kernel_ns[number] += runtime->clock_ns() - start_ns;
        }
    }
}

/* Runs launches inside so many loops; the next loop that may be among them has the number `loop`. */
static __attribute__((noinline)) void run_loops(
    void *const *inputs,
    void *const *outputs,
    const unsigned char *constants,
    unsigned char *arena,
    const struct mosaic_runtime *runtime,
    int64_t *turns,
    int64_t depth,
    int64_t first,
    int64_t stop,
    int64_t loop) {
    while (loop < 1 && loops[loop].first < stop) {
        const struct loop *own = loops + loop;
        int64_t extent = own->extent;
        for (int64_t axis = 0; axis < 1; ++axis) {
            extent += turns[axis] * own->extent_per_turn[axis];
        }
        run_launches(inputs, outputs, constants, arena, runtime, turns, first, own->first);
        for (int64_t turn = 0; turn < extent; ++turn) {
            turns[depth] = turn;
            run_loops(inputs, outputs, constants, arena, runtime, turns, depth + 1, own->first, own->stop, loop + 1);
        }
        turns[depth] = 0;
        first = own->stop;
        loop = own->next;
    }
    run_launches(inputs, outputs, constants, arena, runtime, turns, first, stop);
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
    int64_t turns[1] = {0};
    run_loops(inputs, outputs, constants, arena, runtime, turns, 0, region->first, region->stop, region->first_loop);
}
