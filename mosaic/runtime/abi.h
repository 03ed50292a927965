/* What generated code may ask of the process that runs it. A stand-alone program fills it with a serial loop. */
struct mosaic_runtime {
    /* Runs body(context, task, thread) once for every task in [0, num_tasks), on up to num_threads threads, in any order.
     * Tasks that run at the same time have different threads, which are less than num_threads and than num_tasks. */
    void (*parallel_for)(const struct mosaic_runtime *runtime, void (*body)(void *context, long task, long thread),
                         void *context, long num_tasks);
    /* Nanoseconds of a monotonic clock. */
    long long (*clock_ns)(void);
    /* One counter per kernel while profiling, otherwise NULL. */
    long long *kernel_ns;
    /* How many threads parallel_for may use, the caller included. Results must not depend on it. */
    int num_threads;
    /* How a long run learns of Ctrl-C, or NULL. Generated code does not use it. */
    struct mosaic_watch *watch;
    /* The number of the region to run. A program has several if numpy computes a part of it. */
    int region;
};
