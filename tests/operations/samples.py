"""One row per operation and form, over all families: the contract suite does the rest.

A new operation adds its rows to the module of its family, and a new family its module here.
"""

from __future__ import annotations

from tests.operations.calculus_samples import CALCULUS
from tests.operations.creation_samples import CREATION
from tests.operations.elementwise_samples import ELEMENTWISE
from tests.operations.fft_samples import FFT
from tests.operations.indexing_samples import INDEXING
from tests.operations.linalg_samples import LINALG
from tests.operations.movement_samples import MOVEMENT
from tests.operations.reduction_samples import REDUCTIONS
from tests.operations.sample import Sample
from tests.operations.sorting_samples import SORTING
from tests.operations.writing_samples import WRITING

SAMPLES: tuple[Sample, ...] = (
    *ELEMENTWISE,
    *REDUCTIONS,
    *MOVEMENT,
    *INDEXING,
    *LINALG,
    *FFT,
    *CREATION,
    *SORTING,
    *CALCULUS,
    *WRITING,
)
