"""Both spellings, `import composit as cnp` and `import composit.numpy as cnp`, give all of composit."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit
import composit.numpy as cnp
from composit.errors import OperandError, ParameterError
from tests.sampling import one_in, only

OURS = (
    "evaluate",
    "visualize",
    "nn",
    "name_scope",
    "multidigraph",
    "types",
    "with_name",
    "strict",
    "wrap_as_operation",
)


@pytest.mark.parametrize("name", [*OURS, "chain_rule", "count_evaluations", "errors", "LazyTensor"])
def test_composit_numpy_has_what_composit_has(name: str) -> None:
    assert getattr(cnp, name) is getattr(composit, name)
    assert name in dir(cnp)
    assert name in dir(composit)


def test_every_public_name_of_one_is_the_same_object_in_the_other() -> None:
    assert [name for name in composit.__all__ if getattr(cnp, name) is not getattr(composit, name)] == []
    assert [name for name in cnp.__all__ if getattr(cnp, name) is not getattr(composit, name)] == []


def test_numpys_names_are_in_the_directory_of_both() -> None:
    names = {name for name in dir(np) if not name.startswith("_") and name in np.__all__}
    assert names - set(dir(cnp)) == set()
    assert names - set(dir(composit)) == set()


@pytest.mark.parametrize("package", only(["composit.numpy"], ["composit", "composit.numpy"]))
def test_each_name_of_the_directory_can_be_looked_up_without_a_warning(package: str) -> None:
    program = f"import {package} as cnp; names = dir(cnp); [getattr(cnp, name) for name in names]"
    subprocess.run([sys.executable, "-W", "error", "-c", f"{program}; assert len(names) > 500"], check=True)
    assert not {"matlib", "matrixlib"} & (set(composit.numpy.submodules.LISTED_NAMES) | set(dir(np)))
    assert cnp.matrixlib.__name__ == "numpy.matrixlib"


@pytest.mark.parametrize(
    "statement",
    one_in(
        2,
        [
            "import composit.numpy as cnp; cnp.evaluate(cnp.ones(2)); cnp.nn.chain_rule; cnp.types.LazyTensor",
            "from composit.numpy import evaluate, nn, name_scope, visualize, multidigraph, types, with_name",
            "from composit.numpy import *; evaluate(ones(2)); chain_rule",
            "from composit import *; evaluate(ones(2)); chain_rule; nn.evaluate",
            "import composit.nn; import composit.numpy as cnp; cnp.nn.evaluate(cnp.ones(2))",
            "import composit.types; import composit.multidigraph; import composit.numpy as cnp; cnp.name_scope('a')",
        ],
        first=1,
    ),
)
def test_a_fresh_process_imports_them(statement: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", statement], check=True)


def test_a_star_binds_no_module_of_composits_own() -> None:
    code = "from composit.numpy import *; print('types' in globals(), 'nn' in globals(), 'numpy' in globals())"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["False"] * 3


def test_the_version_is_numpys_and_composits_is_its_own() -> None:
    assert cnp.__version__ == np.__version__
    assert composit.__version__ != np.__version__


def test_nn_evaluates_with_the_keyword_of_training_programs() -> None:
    x, y = cnp.ones(2), cnp.zeros(3)
    np.testing.assert_array_equal(cnp.nn.evaluate(x), np.ones(2))
    (alone,) = cnp.nn.evaluate(x, always_return_tuple=True)
    np.testing.assert_array_equal(alone, np.ones(2))
    both = cnp.nn.evaluate(x, y, always_return_tuple=True)
    assert isinstance(both, tuple)
    assert [value.shape for value in both] == [(2,), (3,)]
    np.testing.assert_array_equal(cnp.nn.evaluate(x + 1, inputs={x: [3.0, 4.0]}), [4, 5])


MADE: dict[str, Callable[..., Any]] = {
    "asarray of a list": lambda **label: cnp.asarray([1.0, 2.0], **label),
    "asarray of an array": lambda **label: cnp.asarray(np.ones(3), **label),
    "asarray of a tensor": lambda **label: cnp.asarray(cnp.ones(3), **label),
    "asarray of a view": lambda **label: cnp.asarray(cnp.ones(4)[::2], **label),
    "array": lambda **label: cnp.array([[1, 2], [3, 4]], order="F", **label),
    "array of tensors": lambda **label: cnp.array([cnp.ones(2), cnp.zeros(2)], **label),
    "array of objects": lambda **label: cnp.array([None, 2], dtype=object, **label),
    "ndarray": lambda **label: cnp.ndarray((2, 3), "float32", **label),
    "ndarray of objects": lambda **label: cnp.ndarray(2, object, **label),
    "zeros": lambda **label: cnp.zeros((2, 3), **label),
    "zeros of texts": lambda **label: cnp.zeros(3, "U3", **label),
    "ones": lambda **label: cnp.ones(3, dtype="int8", **label),
    "full": lambda **label: cnp.full((2,), 7.0, **label),
    "full of a row": lambda **label: cnp.full((2, 3), cnp.arange(3), **label),
}


@pytest.mark.parametrize("name", MADE)
def test_name_is_a_label_of_what_is_made(name: str) -> None:
    made, plain = MADE[name](name="weight"), MADE[name]()
    assert made.name == "weight"
    assert (made.shape, made.dtype, made.base is None) == (
        plain.shape,
        plain.dtype,
        plain.base is None or made is plain,
    )
    np.testing.assert_array_equal(np.asarray(made), np.asarray(plain))
    assert MADE[name](name=None).name == plain.name
    assert "weight" in str(cnp.visualize(made, render=False))


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("bad", [3, b"weight", ["weight"]], ids=repr)
def test_a_name_that_is_no_string_raises_what_with_name_raises(name: str, bad: Any) -> None:
    with pytest.raises(ParameterError, match=r"got the name .* expected a string"):
        MADE[name](name=bad)


def test_an_array_of_a_class_of_numpys_has_no_label() -> None:
    with pytest.raises(OperandError, match="expected a tensor"):
        cnp.array(np.ma.array([1]), subok=True, name="weight")


def test_a_tensor_and_its_named_self_share_memory() -> None:
    x = cnp.zeros(3)
    named = cnp.asarray(x, name="weight")
    named[0] = 1
    x[1] = 2
    np.testing.assert_array_equal(cnp.evaluate(named), [1, 2, 0])
    np.testing.assert_array_equal(cnp.evaluate(x), [1, 2, 0])
    part = cnp.with_name(x[::2], "part")
    part[1] = 9
    np.testing.assert_array_equal(cnp.evaluate(x), [1, 2, 9])
    x[0] = 5
    np.testing.assert_array_equal(cnp.evaluate(part), [5, 9])


def test_a_label_keeps_what_numpy_has_computed() -> None:
    named = cnp.with_name(cnp.unique(cnp.asarray([3, 1, 1])), "classes")
    assert named.name == "classes"
    assert named._known is not None


def test_a_star_binds_what_numpys_star_binds() -> None:
    assert set(np.__all__) - set(cnp.__all__) == {"__version__"}


def test_the_program_that_type_checkers_read_runs() -> None:
    # mypy reads it too (pyproject.toml), and fails on a name that is lost on the way through two stars.
    runpy.run_path(str(Path(__file__).parent / "typed_program.py"))
