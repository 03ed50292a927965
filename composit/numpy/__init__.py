"""Lazy numpy: numpy's names, arguments, dtypes and errors on tensors; and all that `import composit` gives.

The functions are listed in `composit/numpy/public_names.py`, and documented where they are defined.
"""

from typing import TYPE_CHECKING

import numpy as _np
from numpy import __version__ as __version__

from composit import multidigraph as multidigraph
from composit.apply import apply as apply
from composit.direct import CODE_TO_SOURCE as _CODE_OF_DIRECT_RUNS
from composit.guards import compute_now as _compute_now
from composit.hooks import hooks as _hooks
from composit.interpreter import CODE_TO_SOURCE as _CODE_OF_PROGRAMS
from composit.numpy import public_names as _public_names
from composit.numpy import submodules as _submodules
from composit.numpy.indexing.strided_views import sliding_window_view as _sliding_window_view
from composit.numpy.indexing.strided_views import view_of_part as _view_of_part
from composit.numpy.public_names import *
from composit.numpy.tensor.array_api import __array_namespace_info__ as __array_namespace_info__
from composit.numpy.tensor.lazy_tensor import TENSOR_CLASSES as _TENSOR_CLASSES
from composit.numpy.tensor.protocols import array_ufunc as _array_ufunc
from composit.warning_lines import warn_of_operation as _warn_of_operation

if not TYPE_CHECKING:
    # Imported when first asked for.
    def __getattr__(name):
        return _submodules.late_name(name)

    # Type checkers would take this list for all there is. Modules above this package are left out, so that `import *`
    # binds no name `numpy`.
    __all__ = ["__array_namespace_info__"]
    __all__ += [name for name in vars(_public_names) if not name.startswith("_")]
    __all__ += _submodules.__all__


def __dir__() -> list[str]:
    return sorted({*globals(), *_submodules.LISTED_NAMES})


# Functions that lower modules call but cannot import. `function_to_rule` leads numpy's functions, called on tensors,
# to ours.
_hooks.set_once(
    call_ufunc=_array_ufunc,
    code_to_source={**_CODE_OF_PROGRAMS, **_CODE_OF_DIRECT_RUNS},
    compute=_compute_now,
    function_to_rule={
        **{vars(_np)[name]: ours for name, ours in vars(_public_names).items() if callable(vars(_np).get(name))},
        **{vars(_np.linalg)[name]: vars(_public_names.linalg)[name] for name in _public_names.linalg.__all__},
        **{vars(_np.fft)[name]: vars(_public_names.fft)[name] for name in _public_names.fft.__all__},
        _np.lib.stride_tricks.sliding_window_view: _sliding_window_view,
    },
    join=_public_names.asarray,
    tensor_classes=_TENSOR_CLASSES,
    view_of_part=_view_of_part,
    warn=_warn_of_operation,
)
_submodules.serve_numpys_modules()
