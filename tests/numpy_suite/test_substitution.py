"""What stands in numpy's place: our names and nothing behind them, comparisons that evaluate, blocks that expect."""

from __future__ import annotations

import builtins
from typing import Any

import numpy
import pytest

import composit.numpy as cnp
from composit.handle import TensorHandle
from composit.program import count_evaluations
from tests.numpy_suite import comparisons, expectations, loading, modules
from tests.numpy_suite.excluded import is_file_left_out, reason_left_out


def _run(source: str) -> dict[str, Any]:
    import_ = loading._import_for("numpy.lib.tests.test_example")
    namespace: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": import_}}
    exec(source, namespace)
    return namespace


def test_names_are_ours() -> None:
    found = _run("import numpy as np\nfrom numpy import exp, linalg\nx = np.ones(3)")
    assert found["exp"] is cnp.exp
    assert isinstance(found["x"], TensorHandle)
    assert found["linalg"].norm is cnp.linalg.norm


def test_a_name_that_composit_lacks_does_not_fall_through_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cnp, "hypot")
    with pytest.raises(AttributeError, match="has no attribute 'hypot'"):
        _run("import numpy as np\nnp.hypot")


def test_an_imported_name_that_composit_lacks_raises_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cnp, "hypot")
    found = _run("from numpy import hypot")
    with pytest.raises(AttributeError, match=r"composit has no numpy\.hypot"):
        found["hypot"](1, 2)


def test_private_modules_of_numpy_give_our_public_objects_and_their_own_private_ones() -> None:
    found = _run("from numpy._core.numeric import normalize_axis_tuple\nimport numpy._core.umath as umath")
    assert found["umath"].exp is cnp.exp
    assert found["normalize_axis_tuple"] is numpy._core.numeric.normalize_axis_tuple


def test_comparisons_evaluate_tensors_in_containers_and_count_them() -> None:
    testing = comparisons.testing_module("numpy.testing")
    before = comparisons.counts.lazy, comparisons.counts.real
    testing.assert_equal([cnp.ones(2), 1], [numpy.ones(2), 1])
    testing.assert_equal(numpy.ones(2), numpy.ones(2))
    assert (comparisons.counts.lazy, comparisons.counts.real) == (before[0] + 1, before[1] + 1)
    with pytest.raises(AssertionError, match="Mismatched elements: 2 / 2"):
        testing.assert_array_equal(cnp.ones(2), numpy.zeros(2))


def test_tensors_of_a_comparison_are_evaluated_together() -> None:
    shared = cnp.arange(3.0).astype("float32") + 1
    with count_evaluations() as count:
        first, rest = expectations.evaluated(([shared[0], "text"], {"rest": (shared[1], shared)}))
    assert count.runs == 1
    assert first == [1, "text"]
    assert rest["rest"][0] == 2
    assert rest["rest"][1].tolist() == [1, 2, 3]


def test_a_block_that_expects_an_error_evaluates_what_it_builds() -> None:
    source = (
        "import numpy as np, pytest\nwith pytest.raises(np.linalg.LinAlgError):\n    np.linalg.inv(np.zeros((2, 2)))"
    )
    _run(source)
    raises = expectations.expecting(numpy.testing.assert_raises, 1)
    raises(numpy.linalg.LinAlgError, cnp.linalg.inv, cnp.zeros((2, 2)))


def test_tests_are_left_out_by_file_and_by_name_with_their_parameters() -> None:
    assert is_file_left_out("f2py/tests/test_abstract_interface.py")
    assert not is_file_left_out("lib/tests/test_function_base.py")
    assert reason_left_out("random/tests/test_direct.py::TestPCG64::test_ctypes") is not None
    assert reason_left_out("_core/tests/test_numeric.py::TestCreationFuncs::test_zeros") is None


def test_dir_of_a_module_holds_names_that_can_be_looked_up() -> None:
    module = modules.module_called("numpy")
    names = dir(module)
    assert all(hasattr(module, name) for name in names)
    assert {"exp", "linalg", "newaxis"} <= set(names)
    assert "assignment" not in names, "a module of composit's families is no name of numpy"
