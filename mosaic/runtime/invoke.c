/*
 * Calls a compiled function on numpy arrays. To check types and read addresses costs nanoseconds here; in Python it would
 * cost as much as the rest of a small call.
 */

/* Flags of numpy: C-contiguous and aligned. */
enum { PLAIN = 0x0001 | 0x0100 };

static int fits(const struct numpy_array *array, const struct mosaic_type *type) {
    if (array->dtype != type->dtype || (array->flags & PLAIN) != PLAIN || array->ndim != type->ndim) return 0;
    for (int axis = 0; axis < type->ndim; axis++)
        if (array->shape[axis] != type->shape[axis]) return 0;
    return 1;
}

enum { DOES_NOT_FIT, HAS_RUN, WAS_STOPPED };

/* Returns DOES_NOT_FIT, without a run, if an input is not a C-contiguous, aligned array of its type. */
int mosaic_invoke(const struct mosaic_call *call) {
    for (int i = 0; i < call->num_inputs; i++) {
        const struct numpy_array *array = (const struct numpy_array *)call->input_arrays[i];
        if (!fits(array, &call->input_types[i])) return DOES_NOT_FIT;
        call->inputs[i] = array->data;
    }
    for (int i = 0; i < call->num_outputs; i++)
        call->outputs[i] = ((const struct numpy_array *)call->output_arrays[i])->data;
    struct mosaic_watch *watch = call->runtime->watch;
    watch->is_stopped = watch->num_quiet = 0;
    watch->heard_ns = 0;
    call->run(call->inputs, call->outputs, call->constants, call->arena, call->runtime);
    return watch->is_stopped ? WAS_STOPPED : HAS_RUN;
}
