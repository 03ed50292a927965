/* matmul, add, multiply, multiply, erf, add, multiply
 *   product: (24, 50) @ (50, 40) */
static void kernel_0(void *context, long task) {
    void **operands = context;
    const float *p0 = operands[0];
    const float *p1 = operands[1];
    const float *p2 = operands[2];
    float *p3 = operands[3];
    product_0(task, task + 1, p0, p1, p0, p1, p2, p3);
}

