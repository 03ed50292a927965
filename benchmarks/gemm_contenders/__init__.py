"""Who multiplies matrices in `benchmarks.gemm`: one module each, with `prepare(product) -> Run`."""
