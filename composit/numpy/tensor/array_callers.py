"""Makes tensors pass as arrays, or as copies, for the few library functions that need numpy's own class.

`series[mask]`, `frame.groupby(keys)`, `pandas.unique(x)` and scikit-learn's grids first check `isinstance(x,
np.ndarray)`, and refuse anything else or treat it as a label. Then they call `np.asarray` or go through the elements,
so a tensor works if the check passes. Other functions pass checked arrays on to C code: for these a tensor is no
np.ndarray, and is converted.

A masked array writes to the memory that it is made of. So it gets a copy, like all numpy classes that hold memory.
"""

from collections.abc import Mapping
from types import FrameType

# Functions and their modules. If a library renames one, its calls work as for all other functions.
_FUNCTION_TO_MODULE = {
    "is_bool_indexer": "pandas.core.common",
    "is_array_like_deprecate_non_pandas": "pandas.core.dtypes.common",
    "_ensure_arraylike": "pandas.core.algorithms",
    "factorize": "pandas.core.algorithms",
    "Grouping.__init__": "pandas.core.groupby.grouper",
    "get_grouper": "pandas.core.groupby.grouper",
    "_convert_grouper": "pandas.core.groupby.grouper",
    "length_of_indexer": "pandas.core.indexers.utils",
    "DataFrame.set_index": "pandas.core.frame",
    "ParameterGrid.__init__": "sklearn.model_selection._search",
    "ParameterSampler.__init__": "sklearn.model_selection._search",
    "_InstancesOf.is_satisfied_by": "sklearn.utils._param_validation",
    "aslinearoperator": "scipy.sparse.linalg._interface",
}
_WRITING_FUNCTION_TO_MODULE = {"MaskedArray.__new__": "numpy.ma.core", "masked_invalid": "numpy.ma.core"}


def takes_arrays_only(caller: FrameType) -> bool:
    """Return whether the function takes nothing but numpy's own arrays."""
    return _is_running(_FUNCTION_TO_MODULE, caller)


def takes_memory(caller: FrameType) -> bool:
    """Return whether the function makes an array that is written to."""
    return _is_running(_WRITING_FUNCTION_TO_MODULE, caller)


def _is_running(function_to_module: Mapping[str, str], frame: FrameType) -> bool:
    # Includes comprehensions inside the function: get_grouper.<locals>.<genexpr>.
    module = function_to_module.get(frame.f_code.co_qualname.partition(".<locals>")[0])
    return module is not None and frame.f_globals.get("__name__") == module
