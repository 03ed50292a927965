"""Contenders that take any torch module with inputs, one module each, with `prepare(workload) -> Run`."""
