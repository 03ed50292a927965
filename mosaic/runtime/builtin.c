/*
 * Builtin functions of Python that call a compiled function on a tuple of arrays. `invoke.c` does the same through the
 * foreign function interface, which costs as much as a small kernel, and so does each line of Python around it.
 * Arguments that cannot be used as they are (a list, an array of another layout, a wrong type) go to a Python function.
 */

enum { MOST_ARRAYS = 32, MOST_STATUS = 32 };

static const void *class_of(const struct mosaic_python *python, const void *object) {
    return *(const void *const *)((const char *)object + python->head_bytes - sizeof(void *)); /* the head's last field */
}

static const struct numpy_array *fields_of(const struct mosaic_python *python, const void *array) {
    return (const struct numpy_array *)((const char *)array + python->head_bytes);
}

/* Returns whether every array can be read as it is, and writes their data pointers to `data`. */
static int takes(const struct mosaic_builtin *builtin, void *arrays, void **data) {
    const struct mosaic_python *python = builtin->python;
    if (class_of(python, arrays) != python->tuple_class || python->tuple_size(arrays) != builtin->num_inputs) return 0;
    for (int i = 0; i < builtin->num_inputs; i++) {
        const void *array = python->tuple_item(arrays, i);
        if (class_of(python, array) != python->array_class) return 0;
        if (!fits(fields_of(python, array), &builtin->input_types[i])) return 0;
        data[i] = fields_of(python, array)->data;
    }
    return 1;
}

static void *new_array(const struct mosaic_python *python, const struct mosaic_result *result) {
    if (result->maker) return python->call_with(result->maker, 0);
    python->hold(result->dtype); /* the array takes this reference over */
    return python->empty_array(result->ndim, result->shape, result->dtype, result->is_fortran);
}

/* Makes an array for each output. Returns 0, with an error set in Python, if there is no memory. */
static int make_results(const struct mosaic_builtin *builtin, void **made, void **data) {
    for (int i = 0; i < builtin->num_outputs; i++) {
        made[i] = new_array(builtin->python, &builtin->results[i]);
        if (!made[i]) {
            while (i--) builtin->python->drop(made[i]);
            return 0;
        }
        data[i] = fields_of(builtin->python, made[i])->data;
    }
    return 1;
}

static void lock(struct mosaic_arenas *arenas) {
    while (__atomic_exchange_n(&arenas->is_locked, 1, __ATOMIC_ACQUIRE)) continue;
}

static void unlock(struct mosaic_arenas *arenas) { __atomic_store_n(&arenas->is_locked, 0, __ATOMIC_RELEASE); }

/* Returns an arena that no other call uses, or NULL with an error set. */
static void *take_arena(const struct mosaic_builtin *builtin) {
    struct mosaic_arenas *arenas = builtin->arenas;
    lock(arenas);
    void *arena = arenas->free;
    if (arena) arenas->free = *(void **)arena;
    unlock(arenas);
    if (arena) return arena;
    void *address = builtin->python->call_with(builtin->arena_maker, 0);
    if (!address) return 0;
    arena = builtin->python->as_pointer(address);
    builtin->python->drop(address);
    return arena;
}

static void give_back(struct mosaic_arenas *arenas, void *arena) {
    lock(arenas);
    *(void **)arena = arenas->free;
    arenas->free = arena;
    unlock(arenas);
}

static int is_clear(const int64_t *status, int num_status) {
    for (int i = 0; i < num_status; i++)
        if (status[i]) return 0;
    return 1;
}

enum { HAS_FAILED, HAS_RESULTS, IS_FOR_PYTHON };

/* Runs on inputs that fit and puts fresh arrays into `made`. HAS_FAILED: there is no memory, or a signal handler raised; an
 * error is set. IS_FOR_PYTHON: an index is out of bounds, and Python raises the error. Both leave no arrays. */
static int run_on(const struct mosaic_builtin *builtin, void *const *inputs, void **made) {
    const struct mosaic_python *python = builtin->python;
    void *outputs[MOST_ARRAYS + 1], *arena = 0;
    int64_t status[MOST_STATUS];
    if (!make_results(builtin, made, outputs)) return HAS_FAILED;
    outputs[builtin->num_outputs] = status; /* generated code sets it to zeros first */
    int has_run = !builtin->arena_maker || (arena = take_arena(builtin));
    if (has_run) {
        struct mosaic_watch watch = {builtin->hear, 0, 0, 0};
        struct mosaic_runtime runtime = *builtin->runtime;
        runtime.watch = &watch;
        void *thread = python->leave(); /* other threads of Python may go on meanwhile */
        builtin->run(inputs, outputs, builtin->constants, arena, &runtime);
        python->enter(thread);
        if (arena) give_back(builtin->arenas, arena);
        if (watch.is_stopped) has_run = 0, python->call_with(builtin->stopper, 0);
    }
    const int outcome = !has_run ? HAS_FAILED : is_clear(status, builtin->num_status) ? HAS_RESULTS : IS_FOR_PYTHON;
    for (int i = 0; i < builtin->num_outputs && outcome != HAS_RESULTS; i++) python->drop(made[i]);
    return outcome;
}

static const struct mosaic_python *python_of_process;

static struct mosaic_builtin *builtin_of(void *self) {
    return (struct mosaic_builtin *)python_of_process->as_pointer(python_of_process->tuple_item(self, 0));
}

static void *call_fallback(const struct mosaic_python *python, void *fallback, void *arrays) {
    void *packed = python->new_tuple(1);
    if (!packed) return 0;
    python->hold(arrays);
    python->set_tuple_item(packed, 0, arrays);
    void *result = python->call_with(fallback, packed);
    python->drop(packed);
    return result;
}

static void *call_for_list(void *self, void *arrays) {
    struct mosaic_builtin *builtin = builtin_of(self);
    const struct mosaic_python *python = builtin->python;
    void *inputs[MOST_ARRAYS], *made[MOST_ARRAYS];
    const int outcome = takes(builtin, arrays, inputs) ? run_on(builtin, inputs, made) : IS_FOR_PYTHON;
    if (outcome == IS_FOR_PYTHON) return call_fallback(python, builtin->fallback, arrays);
    if (outcome == HAS_FAILED) return 0;
    void *list = python->new_list(builtin->num_outputs);
    for (int i = 0; i < builtin->num_outputs; i++) {
        if (list) python->set_list_item(list, i, made[i]); /* takes the reference over */
        else python->drop(made[i]);
    }
    return list;
}

/* Returns the only output: an array, or the scalar that numpy returns in place of an array of rank 0. */
static void *call_for_one(void *self, void *arrays) {
    struct mosaic_builtin *builtin = builtin_of(self);
    void *inputs[MOST_ARRAYS], *made[1];
    const int outcome = takes(builtin, arrays, inputs) ? run_on(builtin, inputs, made) : IS_FOR_PYTHON;
    if (outcome == IS_FOR_PYTHON) return call_fallback(builtin->python, builtin->single_fallback, arrays);
    if (outcome == HAS_FAILED) return 0;
    return builtin->results[0].is_scalar ? builtin->python->as_returned(made[0]) : made[0];
}

/* CPython's PyMethodDef; METH_O: one argument. */
struct method {
    const char *name;
    void *(*call)(void *self, void *argument);
    int flags;
    const char *doc;
};
enum { METH_O = 8 };
static const struct method methods[] = {
    {"run", call_for_list, METH_O, "Fresh outputs, as a list, for a tuple of inputs."},
    {"run_single", call_for_one, METH_O, "The fresh output for a tuple of inputs."},
};

/* Returns the definition of one of the builtin functions. A process has one Python, so a static pointer to it will do. */
const void *mosaic_builtin_method(const struct mosaic_python *python, int number) {
    python_of_process = python;
    return &methods[number];
}
