/*
 * The thread pool of the process: one job at a time, split into tasks, run by the caller and its workers.
 *
 * Each thread gets one contiguous share of a job's tasks, so that it finds the results of the previous kernel in its own
 * cache. A thread that finishes early takes tasks from the shares of others. A share is one 64-bit word,
 * (generation << 32 | tasks left). A worker that wakes up late sees another generation, and its compare-and-swap fails: it
 * can neither take a task twice nor run one with the fields of a finished job. A job ends when its tasks have ended; it
 * does not wait for workers that are still asleep.
 *
 * A thread that waits spins for a short, bounded time and then sleeps on a futex. It sleeps at once where the thread that it
 * waits for shares its processor, as on a machine busy with other programs: that one cannot run meanwhile. A second caller, or a call from inside
 * a task, finds the pool busy and runs all its tasks itself. After a fork the child starts with an empty pool.
 *
 * Between tasks the caller asks now and then whether the run should stop (Ctrl-C). After that the remaining tasks are
 * counted but not run, so that every loop ends as usual.
 *
 * Known weaknesses: Linux only; a second caller gets one thread; waking n sleeping workers is n system calls.
 */
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A worker that shares the caller's processor is woken for one job in JOBS_PER_TRIAL: the kernel may find it another one. */
enum { MAX_THREADS = 1024, SPINS_PER_CLOCK_READ = 32, JOBS_PER_TRIAL = 16 };

static const long long SPIN_NS = 30000;
static const long long HEAR_NS = 50000000;
/* The first tasks of a run do not read the clock: a run of few tasks ends before anyone could press Ctrl-C. */
enum { QUIET_TASKS = 16 };
/* Kernels keep at most 16 KiB of arrays on the stack (mosaic/codegen/local_arrays.py), and larger ones in the arena. */
static const size_t STACK_BYTES = (size_t)1 << 20;

/* One thread of a job; participant 0 is the caller. Each has a cache line of its own. */
struct participant {
    _Alignas(64) _Atomic uint64_t share;
    _Atomic uint32_t generation; /* the last job it was woken for, and the futex it sleeps on */
    _Atomic uint32_t is_asleep;
    _Atomic int processor; /* the one it ran on when it last took part */
};

static struct participant participants[MAX_THREADS];
static _Atomic int num_workers;      /* written by the caller that holds is_busy */
static _Atomic long long spin_ns; /* 0 when there are more threads than processors */
static _Alignas(64) atomic_flag is_busy = ATOMIC_FLAG_INIT;

/* The current job. A worker reads a share, then these fields, then claims a task from the share. */
static _Alignas(64) struct {
    _Atomic(void (*)(void *, long, long)) body;
    _Atomic(void *) context;
    _Atomic(const struct mosaic_runtime *) runtime;
    _Atomic uint32_t num_tasks;
    _Atomic uint32_t num_threads;
    _Atomic uint32_t float_mode; /* the caller's, so that results do not depend on the thread that runs a task */
    uint32_t generation;
} job;

static _Alignas(64) _Atomic uint32_t num_unfinished; /* the futex the caller sleeps on */
static _Atomic uint32_t is_caller_asleep;

static void futex_wait(_Atomic uint32_t *word, uint32_t while_equal_to) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_equal_to, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

long long mosaic_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Like mosaic_clock_ns, but a few milliseconds behind, and a read costs only a few nanoseconds. */
static long long coarse_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int is_stopped(const struct mosaic_runtime *runtime) {
    return runtime->watch != NULL && __atomic_load_n(&runtime->watch->is_stopped, __ATOMIC_RELAXED);
}

static _Thread_local int is_worker;

/* Asks Python whether the run should stop, at most once in HEAR_NS. Workers never ask: they have no Python thread. */
static void listen(const struct mosaic_runtime *runtime) {
    struct mosaic_watch *watch = runtime->watch;
    if (watch == NULL) return;
    if (watch->num_quiet < QUIET_TASKS) {
        watch->num_quiet++;
        return;
    }
    if (is_worker) return;
    const long long now = coarse_clock_ns();
    if (watch->heard_ns == 0) watch->heard_ns = now;
    if (now - watch->heard_ns < HEAR_NS) return;
    const int answer = watch->hear();
    watch->heard_ns = answer == 2 ? LLONG_MAX : coarse_clock_ns();
    if (answer == 1) __atomic_store_n(&watch->is_stopped, 1, __ATOMIC_RELAXED);
}

/* Returns the calling thread's rounding mode and treatment of denormals, without the exception flags. */
static uint32_t float_mode(void) {
#if defined(__x86_64__)
    return __builtin_ia32_stmxcsr() & ~(uint32_t)0x3f;
#elif defined(__aarch64__)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return (uint32_t)mode;
#else
    return 0;
#endif
}

static void set_float_mode(uint32_t mode) {
    if (mode == float_mode()) return;
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode));
#endif
}

/* Spins for at most limit_ns until *word differs from `value`. Returns whether it does. */
static int spin_while_equal(_Atomic uint32_t *word, uint32_t value, long long limit_ns) {
    if (atomic_load_explicit(word, memory_order_acquire) != value) return 1;
    if (limit_ns == 0) return 0;
    const long long deadline = mosaic_clock_ns() + limit_ns;
    do {
        for (int spin = 0; spin < SPINS_PER_CLOCK_READ; spin++) {
            pause_briefly();
            if (atomic_load_explicit(word, memory_order_acquire) != value) return 1;
        }
    } while (mosaic_clock_ns() < deadline);
    return 0;
}

/* Returns the first task of participant `index`. The lengths of shares differ by at most one. */
static uint32_t first_task(uint32_t index, uint32_t num_tasks, uint32_t num_threads) {
    return (uint32_t)((uint64_t)num_tasks * index / num_threads);
}

/* Runs tasks of one share as participant `self` until the share is empty. Returns how many it ran. */
static uint32_t run_share(uint32_t index, uint32_t self) {
    _Atomic uint64_t *share = &participants[index].share;
    uint32_t num_done = 0;
    uint64_t seen = atomic_load_explicit(share, memory_order_acquire);
    while ((uint32_t)seen != 0) {
        void (*body)(void *, long, long) = atomic_load_explicit(&job.body, memory_order_relaxed);
        void *context = atomic_load_explicit(&job.context, memory_order_relaxed);
        const struct mosaic_runtime *runtime = atomic_load_explicit(&job.runtime, memory_order_relaxed);
        const uint32_t num_tasks = atomic_load_explicit(&job.num_tasks, memory_order_relaxed);
        const uint32_t num_threads = atomic_load_explicit(&job.num_threads, memory_order_relaxed);
        /* This worker woke up late, for an earlier job with more threads. The current job has no share for it. */
        if (self >= num_threads) return num_done;
        const uint32_t mode = atomic_load_explicit(&job.float_mode, memory_order_relaxed);
        if (!atomic_compare_exchange_weak_explicit(share, &seen, seen - 1, memory_order_acq_rel, memory_order_acquire))
            continue;
        /* The claim succeeded, so the job of that generation is still running, and the fields read above are that job's. */
        set_float_mode(mode);
        if (self == 0) listen(runtime);
        if (!is_stopped(runtime))
            body(context, (long)(first_task(index + 1, num_tasks, num_threads) - (uint32_t)seen), (long)self);
        num_done++;
        seen = atomic_load_explicit(share, memory_order_acquire);
    }
    return num_done;
}

/* Runs the tasks of this participant's share, then those left in the shares of others. */
static void take_part(uint32_t self) {
    const uint32_t num_threads = atomic_load_explicit(&job.num_threads, memory_order_acquire);
    uint32_t num_done = 0;
    atomic_store_explicit(&participants[self].processor, sched_getcpu(), memory_order_relaxed);
    for (uint32_t step = 0; step < num_threads; step++) num_done += run_share((self + step) % num_threads, self);
    if (num_done == 0) return;
    if (atomic_fetch_sub(&num_unfinished, num_done) == num_done && atomic_load(&is_caller_asleep))
        futex_wake(&num_unfinished);
}

static void *work(void *argument) {
    const uint32_t self = (uint32_t)(uintptr_t)argument;
    struct participant *me = &participants[self];
    uint32_t seen = 0;
    is_worker = 1;
    for (;;) {
        const int shares = atomic_load_explicit(&participants[0].processor, memory_order_relaxed) == sched_getcpu();
        if (!spin_while_equal(&me->generation, seen, shares ? 0 : spin_ns)) {
            atomic_store(&me->is_asleep, 1);
            while (atomic_load(&me->generation) == seen) futex_wait(&me->generation, seen);
            atomic_store(&me->is_asleep, 0);
        }
        seen = atomic_load_explicit(&me->generation, memory_order_acquire);
        take_part(self);
    }
    return NULL;
}

/* Starts one worker with all signals blocked, so that signal handlers run on Python's threads only. */
static int start_worker(uint32_t index) {
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    atomic_store(&participants[index].generation, 0);
    atomic_store(&participants[index].is_asleep, 0);
    atomic_store(&participants[index].processor, -1);
    if (pthread_attr_init(&attributes) != 0) return 0;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int status = pthread_create(&thread, &attributes, work, (void *)(uintptr_t)index);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return status == 0;
}

static int num_available_processors(void) {
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
}

/* Starts workers until there are num_threads participants or the system refuses. Returns how many there are. */
static int grow_to(int num_threads) {
    if (num_threads > MAX_THREADS) num_threads = MAX_THREADS;
    if (num_workers + 1 < num_threads) {
        spin_ns = num_threads <= num_available_processors() ? SPIN_NS : 0;
        while (num_workers + 1 < num_threads && start_worker((uint32_t)num_workers + 1)) num_workers++;
    }
    const int num_participants = num_workers + 1;
    return num_participants < num_threads ? num_participants : num_threads;
}

/* Whether a worker of the job ran on the caller's processor when it last took part. */
static int shares_processor(uint32_t num_threads) {
    const int own = sched_getcpu();
    for (uint32_t index = 1; index < num_threads; index++)
        if (atomic_load_explicit(&participants[index].processor, memory_order_relaxed) == own) return 1;
    return 0;
}

/* Wakes a worker for a job, unless it would wait for the caller's processor until the caller has done its tasks as well. */
static void wake(struct participant *worker, uint32_t generation) {
    atomic_store(&worker->generation, generation);
    if (!atomic_load(&worker->is_asleep)) return;
    const int shares = atomic_load_explicit(&worker->processor, memory_order_relaxed) == sched_getcpu();
    if (!shares || generation % JOBS_PER_TRIAL == 0) futex_wake(&worker->generation);
}

/* Hands the job to the workers, takes part in it, then waits for the tasks that workers are still running. */
static void run_job(const struct mosaic_runtime *runtime, void (*body)(void *, long, long), void *context,
                    uint32_t num_tasks, uint32_t num_threads) {
    const uint32_t generation = ++job.generation == 0 ? ++job.generation : job.generation;
    atomic_store_explicit(&job.body, body, memory_order_relaxed);
    atomic_store_explicit(&job.context, context, memory_order_relaxed);
    atomic_store_explicit(&job.runtime, runtime, memory_order_relaxed);
    atomic_store_explicit(&job.num_tasks, num_tasks, memory_order_relaxed);
    atomic_store_explicit(&job.num_threads, num_threads, memory_order_relaxed);
    atomic_store_explicit(&job.float_mode, float_mode(), memory_order_relaxed);
    atomic_store_explicit(&num_unfinished, num_tasks, memory_order_relaxed);
    for (uint32_t index = 0; index < num_threads; index++) {
        const uint32_t length = first_task(index + 1, num_tasks, num_threads) - first_task(index, num_tasks, num_threads);
        atomic_store_explicit(&participants[index].share, (uint64_t)generation << 32 | length, memory_order_release);
    }
    for (uint32_t index = 1; index < num_threads; index++) wake(participants + index, generation);
    take_part(0);
    uint32_t left;
    while ((left = atomic_load(&num_unfinished)) != 0) {
        if (spin_while_equal(&num_unfinished, left, shares_processor(num_threads) ? 0 : spin_ns)) continue;
        atomic_store(&is_caller_asleep, 1);
        futex_wait(&num_unfinished, left);
        atomic_store(&is_caller_asleep, 0);
    }
}

static void run_alone(const struct mosaic_runtime *runtime, void (*body)(void *, long, long), void *context,
                      long num_tasks) {
    for (long task = 0; task < num_tasks; task++) {
        listen(runtime);
        if (is_stopped(runtime)) return;
        body(context, task, 0);
    }
}

void mosaic_parallel_for(const struct mosaic_runtime *runtime, void (*body)(void *context, long task, long thread),
                         void *context, long num_tasks) {
    int num_threads = num_tasks < runtime->num_threads ? (int)num_tasks : runtime->num_threads;
    if (num_threads <= 1 || num_tasks > INT_MAX || atomic_flag_test_and_set_explicit(&is_busy, memory_order_acquire)) {
        run_alone(runtime, body, context, num_tasks);
        return;
    }
    num_threads = grow_to(num_threads);
    if (num_threads <= 1)
        run_alone(runtime, body, context, num_tasks);
    else
        run_job(runtime, body, context, (uint32_t)num_tasks, (uint32_t)num_threads);
    atomic_flag_clear_explicit(&is_busy, memory_order_release);
}

/* In the child of a fork only the thread that forked exists. */
static void forget_workers(void) {
    num_workers = 0;
    atomic_flag_clear(&is_busy);
    atomic_store(&is_caller_asleep, 0);
}

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_workers); }

void mosaic_pool_fill(struct mosaic_runtime *runtime, int num_threads, struct mosaic_watch *watch, int region) {
    runtime->parallel_for = mosaic_parallel_for;
    runtime->clock_ns = mosaic_clock_ns;
    runtime->kernel_ns = NULL;
    runtime->num_threads = num_threads;
    runtime->watch = watch;
    runtime->region = region;
}

int mosaic_pool_num_workers(void) { return num_workers; }
