"""numpy's matmul into memory that is there already."""

import numpy as np

from benchmarks.contender import Run
from benchmarks.gemm_contenders.product import Matrix, Product


def prepare(product: Product) -> Run:
    """OpenBLAS, with the kernels it chooses or is told to choose by OPENBLAS_CORETYPE."""
    result = np.empty((product.a.shape[0], product.b.shape[1]), product.a.dtype)

    def run() -> Matrix:
        for _ in range(product.times):
            np.matmul(product.a, product.b, out=result)
        return result

    return run
