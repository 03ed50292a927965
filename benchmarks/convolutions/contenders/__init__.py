"""Contenders that are given the convolution, one module each, with `prepare(workload, *arguments) -> Run`."""
