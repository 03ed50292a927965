"""The doors for torch users to algorithms: `swap_operation` in place, `convert` to a model that composit runs."""
