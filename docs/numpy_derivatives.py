"""What the table of numpy's names says of derivatives that no lazy call shows: of classes, and of functions that numpy runs."""

from __future__ import annotations

from collections.abc import Mapping

_REASON_TO_NAMES = {
    "the result is a truth value": "allclose array_equal array_equiv is_busday isdtype",
    "the result is text": (
        "array2string array_repr array_str base_repr binary_repr datetime_as_string format_float_positional "
        "format_float_scientific mintypecode typename"
    ),
    "the result is integers": (
        "argwhere diag_indices flatnonzero indices mask_indices nonzero ravel_multi_index tril_indices triu_indices "
        "unravel_index"
    ),
    "the result is dates": "busday_count busday_offset datetime_data",
    "the result is a dtype": "min_scalar_type",
    "the only argument is a length": "bartlett blackman hamming hanning",
    "files and bytes hold no tensors": (
        "frombuffer fromfile fromiter fromregex fromstring genfromtxt load loadtxt save savetxt savez savez_compressed"
    ),
    "Python reads the elements": "nested_iters",
    "a function of Python's gets numpy's numbers": "frompyfunc",
    "numpy's own class holds a copy": "asmatrix",
}

WITHOUT_DERIVATIVE: Mapping[str, str] = {
    name: f"none: {reason}" for reason, listed in _REASON_TO_NAMES.items() for name in listed.split()
}

# numpy runs them, but their results are views of their operands, or are made by the caller's own lazy function.
OF_OPERANDS = frozenset(("asarray_chkfinite", "fromfunction", "place"))

OF_NO_FUNCTION: Mapping[str, str] = {
    "c_": "yes",
    "r_": "yes",
    "mgrid": "none: no operands",
    "ogrid": "none: no operands",
    "matrix": "none: numpy's own class holds a copy",
    "ndarray": "yes",
    "ndenumerate": "none: Python reads the elements",
    "nditer": "none: Python reads the elements",
    "poly1d": "yes, by the points; none by the coefficients, which are arrays of numpy's",
    "ufunc": "yes",
    "vectorize": "none: a function of Python's gets numpy's numbers",
}
