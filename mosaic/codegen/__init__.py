"""From groups to C: expressions over lanes, loops over rows, kernels, and the one function that runs them."""
