"""torch's matmul into memory that is there already."""

import torch

from benchmarks.contender import Run
from benchmarks.gemm_contenders.product import Matrix, Product


def prepare(product: Product) -> Run:
    """torch on one thread."""
    torch.set_num_threads(1)
    a, b = torch.from_numpy(product.a), torch.from_numpy(product.b)
    result = torch.empty((a.shape[0], b.shape[1]), dtype=a.dtype)

    def run() -> Matrix:
        with torch.inference_mode():
            for _ in range(product.times):
                torch.mm(a, b, out=result)
        array: Matrix = result.numpy()
        return array

    return run
