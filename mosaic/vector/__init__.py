"""C functions of vectors: exp, log, sin, division; loads and stores; operations that C has no operator for."""
