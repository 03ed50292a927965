"""One module per contender; each has `prepare(workload) -> Run`."""
