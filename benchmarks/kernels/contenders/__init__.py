"""Contenders with their own words for each kind of kernel, one module each, with `prepare(workload) -> Run`."""
