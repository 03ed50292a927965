"""numpy whose OpenBLAS is told to use its AVX-512 kernels (the table of contenders sets OPENBLAS_CORETYPE).

OpenBLAS picks AVX2 kernels on some processors that could do more; a claim "faster than numpy" must hold here too.
"""

from benchmarks.bert.contenders import numpy_plain
from benchmarks.bert.workload import Workload
from benchmarks.contender import Run, has_avx512, skip


def prepare(workload: Workload) -> Run:
    """The same runs as plain numpy's."""
    if not has_avx512():
        skip("this processor has no AVX-512")
    return numpy_plain.prepare(workload)
