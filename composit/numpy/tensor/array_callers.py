"""Says what a function of another library that is calling needs: an array of numpy's own class, or memory to write to.

`series[mask]`, `frame.groupby(keys)`, `pandas.unique(x)`, the grids of scikit-learn ask `isinstance(x, np.ndarray)` before
anything else, and treat what is none as a label or refuse it. Having asked, they call `np.asarray` or take the elements one
by one, so that a tensor does as well as an array. Elsewhere libraries ask and then hand the array to C code: there a tensor
is none, and is converted first.

A masked array writes to the memory that it is made of, in place and as scratch memory of its functions. It is given memory of
its own, as all classes of numpy's that hold memory are.
"""

from collections.abc import Mapping
from types import FrameType

# The functions with their modules. Where a library renames one, its calls become what they are without this table.
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
    # Inside a function there may be a comprehension: get_grouper.<locals>.<genexpr>.
    module = function_to_module.get(frame.f_code.co_qualname.partition(".<locals>")[0])
    return module is not None and frame.f_globals.get("__name__") == module
