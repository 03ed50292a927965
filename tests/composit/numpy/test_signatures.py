"""Every public function takes numpy's arguments: the same names, order, kinds and defaults."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from composit.errors import MissingDerivativeError
from composit.numpy.arguments.signatures import full_name, signature_of
from docs.numpy_names import Name, functions

# Where the difference is meant, each with its reason.
DIFFERENT = {
    "ndarray": "made from a graph and a node; numpy's constructor takes a shape and memory",
    "save": "takes inputs=, guards= and metadata= as well, with which it writes a graph",
}


def _parameters(function: Any, is_method: bool) -> list[tuple[str, Any, Any]] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            signature = inspect.signature(function)
    except ValueError:
        # Some builtins of numpy's show none.
        return None
    shown = [(each.name, each.kind, each.default) for each in signature.parameters.values()]
    return shown[1:] if is_method else shown


def _difference(name: Name) -> str | None:
    """Return what differs between the signatures, None where nothing does."""
    is_method = name.path.startswith("ndarray.")
    theirs = _parameters(name.numpys, is_method)
    ours = _parameters(name.ours, is_method) if callable(name.ours) else [("missing", None, None)]
    if theirs is None or _shown(theirs) == _shown(ours):
        return None
    return f"{name.path}: numpy {_shown(theirs)}, ours {_shown(ours)}"


def _shown(parameters: list[tuple[str, Any, Any]] | None) -> list[str] | None:
    if parameters is None:
        return None
    return [f"{name}:{getattr(kind, 'name', kind)}={default!r}" for name, kind, default in parameters]


def missing() -> list[str]:
    """Return what is missing, name by name."""
    found = [_difference(name) for name in functions() if name.path not in DIFFERENT]
    return [difference for difference in found if difference is not None]


def test_every_function_has_numpys_signature() -> None:
    assert missing() == []


def test_the_comparison_sees_a_difference() -> None:
    assert _difference(Name("sum", np.sum, np.sum)) is None
    assert "axis" in str(_difference(Name("sum", np.sum, lambda a: a)))


class _WithoutSignature:
    """A function that shows no signature, as those written in C before numpy 2.4."""

    __name__ = "f"
    __call__ = min

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc


@pytest.mark.parametrize(
    ("doc", "signature"),
    [
        ("f(a, /, b=2.0, *, c='x', d=<no value>)\n\nWhat it does.", "(a, /, b=2.0, *, c='x', d=<no value>)"),
        ("\n    f(x, dtype=float,\n      order='C')", "(x, dtype=<class 'float'>, order='C')"),
        ("a.f(x, (1, 2), [y])", None),
        ("f(x, out=None[, subok])", "(x, out=None, subok=None)"),
        ("What it does, f(x).", None),
    ],
)
def test_a_function_without_a_signature_has_that_of_its_docstring(doc: str, signature: str | None) -> None:
    found = signature_of(_WithoutSignature(doc))
    assert (None if found is None else str(found)) == signature


def test_no_place_of_a_method_is_lost() -> None:
    signature = signature_of(np.ufunc.reduce)
    assert signature is not None
    assert list(signature.parameters)[:3] == ["self", "array", "axis"]


def test_special_methods_have_numpys_signatures_too() -> None:
    own = {"__new__", "__init__", "__class__", "__class_getitem__", "__init_subclass__", "__subclasshook__"}
    names = [name for name in dir(np.ndarray) if name.startswith("__") and name not in own]
    shared = [name for name in names if callable(getattr(np.ndarray, name)) and hasattr(cnp.ndarray, name)]
    pairs = [(name, getattr(np.ndarray, name), getattr(cnp.ndarray, name)) for name in shared]
    different = [
        name for name, theirs, ours in pairs if _parameters(theirs, False) not in (None, _parameters(ours, False))
    ]
    assert different == []


FULL_NAMES = {
    "numpy.add": np.add,
    "numpy.add.reduce": np.add.reduce,
    "numpy.frombuffer": np.frombuffer,
    "numpy.linalg.inv": np.linalg.inv,
    "numpy.ndarray.sum": np.ndarray.sum,
    "numpy.random.Generator.normal": np.random.default_rng(0).normal,
    "numpy.strings.center": np.strings.center,
    "numpy.strings.str_len": np.strings.str_len,
    "numpy.testing.assert_equal": np.testing.assert_equal,
    "len": len,
}


@pytest.mark.parametrize("name", FULL_NAMES)
def test_the_full_name_is_the_one_that_a_user_writes(name: str) -> None:
    assert full_name(FULL_NAMES[name]) == name


class _Refusing:
    def __array_function__(self, *_: Any) -> Any:
        return NotImplemented


@pytest.mark.parametrize("call", [lambda xp: xp.strings.center(_Refusing(), 3), lambda xp: xp.linalg.inv(_Refusing())])
def test_an_error_names_the_whole_function_as_numpys_does(call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError) as theirs:
        call(np)
    with pytest.raises(TypeError, match=re.escape(str(theirs.value).split(": ")[0])):
        call(cnp)


def test_a_missing_derivative_of_a_call_of_numpys_names_it() -> None:
    x = cnp.asarray([1.0, 2.0])
    y = cnp.vectorize(lambda number: number * 2)(x)
    with pytest.raises(
        MissingDerivativeError, match=r"numpy\.lib\.vectorize\.__call__: its derivative .* no expression of this call"
    ):
        cnp.nn.chain_rule({y: y}, [x])
    assert "numpy.strings.center returns" in (cnp.strings.center.__doc__ or "")
