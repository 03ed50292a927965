"""Evaluating one graph on several backends: values, errors, guards, caches, and what explain says."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.backends import available_backends, get_backend, register_backend
from composit.errors import GuardError, ParameterError, UnsupportedOperationError
from composit.evaluation import bind
from composit.handle import make_tensor
from composit.mixed import mixed_backend
from composit.program import Program
from composit.value import value_of
from tests.composit.mixed.test_selectors import two_layers


class Recording:
    """Computes with numpy; keeps its programs, and the arrays of its runs."""

    def __init__(self, name: str = "recording") -> None:
        self.name = name
        self.programs: list[Program] = []
        self.given: list[Sequence[Any]] = []
        self.made: list[Sequence[Any]] = []

    def prepare(self, program: Program) -> Callable[[Sequence[Any]], Sequence[Any]]:
        self.programs.append(program)
        run = get_backend("numpy").prepare(program)

        def keep(values: Sequence[Any]) -> Sequence[Any]:
            self.given.append(values)
            self.made.append(run(values))
            return self.made[-1]

        return keep

    @property
    def names(self) -> list[list[str]]:
        """The operations of each program, without leaves."""
        return [[each.operation.name for each in one.instructions if each.operands] for one in self.programs]


def test_the_first_key_that_matches_decides() -> None:
    _, scores = two_layers()
    first, second, rest = Recording(), Recording(), Recording()
    value = cnp.evaluate(scores, backend={"encoder.layer.0": first, "encoder": second, "*": rest})
    np.testing.assert_array_equal(value, cnp.evaluate(scores))
    assert (first.names, second.names, rest.names) == ([["tanh"]], [["exp", "multiply"]], [])
    again = Recording()
    cnp.evaluate(scores, backend={"encoder": again, "encoder.layer.0": first})
    assert again.names == [["tanh", "exp", "multiply"]]


def test_tensors_names_and_operations_select_nodes() -> None:
    first, scores = two_layers()
    for key, expected in ((first, "tanh"), ("scores", "multiply"), ("EXP", "exp"), ("*.1.exp", "exp")):
        own = Recording()
        np.testing.assert_array_equal(cnp.evaluate(scores, backend={key: own}), cnp.evaluate(scores))
        assert own.names == [[expected]]


def test_nodes_without_a_key_run_on_numpy_and_explain_says_so() -> None:
    plan = cnp.explain(two_layers()[1], backend={"exp": "torch"})
    assert [(each.backend, each.keys) for each in plan.regions] == [
        ("numpy", ("no key",)),
        ("torch", ("'exp'",)),
        ("numpy", ("no key",)),
    ]


def test_arrays_cross_without_copies() -> None:
    one, other = Recording("one"), Recording("other")
    _, scores = two_layers()
    cnp.evaluate(scores, backend={"encoder.layer.0": one, "*": other})
    assert other.given[0][0] is one.made[0][0]


def test_a_value_is_let_go_after_its_last_reader() -> None:
    alive: list[bool] = []

    class Looking(Recording):
        def prepare(self, program: Program) -> Callable[[Sequence[Any]], Sequence[Any]]:
            run = super().prepare(program)

            def look(values: Sequence[Any]) -> Sequence[Any]:
                gc.collect()
                alive.append(reference() is not None)
                return run(values)

            return look

    def made(values: Sequence[Any]) -> Sequence[Any]:
        nonlocal reference
        array = values[0] + 1
        reference = weakref.ref(array)
        return [array]

    reference: Callable[[], object] = lambda: None  # noqa: E731  # until there is an array

    class Making:
        def prepare(self, program: Program) -> Callable[[Sequence[Any]], Sequence[Any]]:
            return made

    x = cnp.asarray(np.ones(4))
    y = cnp.cos(cnp.exp(cnp.tanh(x)))
    cnp.evaluate(y, backend={"tanh": Making(), "exp": "numpy", "*": Looking()})
    assert alive == [False]


def test_programs_are_prepared_once_and_equal_parts_too() -> None:
    odd, even = Recording(), Recording()
    backend = {"layer.[13]": odd, "*": even}

    def layers(x: Any) -> Any:
        for number in range(4):
            with cnp.name_scope(f"layer.{number}"):
                x = cnp.exp(cnp.tanh(x))
        return x

    for _ in range(3):
        cnp.evaluate(layers(cnp.asarray([1.0, 2.0])), backend=dict(backend))
    assert (len(odd.programs), len(even.programs)) == (1, 1)
    assert get_backend(backend) is get_backend(dict(backend))
    assert get_backend(backend) is not get_backend(dict(reversed(backend.items())))


def test_equal_structure_in_other_scopes_goes_to_other_backends() -> None:
    one, other = Recording(), Recording()
    for scope in ("left", "right"):
        with cnp.name_scope(scope):
            y = cnp.tanh(cnp.asarray([1.0]))
        cnp.evaluate(y, backend=mixed_backend({"left": one, "right": other}, check=False))
    assert (len(one.programs), len(other.programs)) == (1, 1)


def test_inputs_and_guards_work_across_backends() -> None:
    x = cnp.asarray([1.0, 2.0])
    with cnp.name_scope("encoder"):
        hidden = cnp.tanh(x)
    y = hidden * 2 if cnp.sum(hidden) > 0 else hidden
    backend = {"encoder": "mosaic", "*": "numpy"}
    np.testing.assert_allclose(cnp.evaluate(y, inputs={x: [3.0, 4.0]}, backend=backend), 2 * np.tanh([3.0, 4.0]))
    with pytest.raises(GuardError, match="another path"):
        cnp.evaluate(y, inputs={x: [-3.0, -4.0]}, backend=backend)
    np.testing.assert_allclose(cnp.evaluate(y, inputs={hidden: [1.0, 2.0]}, backend={"multiply": "mosaic"}), [2.0, 4.0])


def test_outputs_may_be_inputs_numbers_and_creations() -> None:
    x = cnp.asarray([1.0, 2.0])
    outputs = [x, cnp.zeros(3), x + 1, cnp.asarray(x)[:1], x, cnp.asarray(2.0)]
    for backend in ({"add": "mosaic"}, {"*": "mosaic"}, {"full": "torch", "*": "mosaic"}):
        values = cnp.evaluate(outputs, backend=backend)
        for value, expected in zip(values, cnp.evaluate(outputs), strict=True):
            np.testing.assert_array_equal(value, expected)
            assert type(value) is type(expected)
        values[0][...] = 99
    np.testing.assert_array_equal(cnp.evaluate(x), [1.0, 2.0])


def test_results_never_share_memory() -> None:
    x = cnp.asarray(np.arange(4.0))
    hidden = cnp.tanh(x)
    view = hidden[1:]
    one, other = cnp.evaluate(hidden, view, backend={"tanh": "mosaic", "*": "numpy"})
    assert not np.shares_memory(one, other)


def test_a_creation_is_made_by_each_backend_that_reads_it_unless_a_key_selects_itself() -> None:
    one, other = Recording("one"), Recording("other")
    with cnp.name_scope("encoder"):
        ones = cnp.ones(3)
        hidden = cnp.tanh(ones)
    y = hidden + ones
    plan = cnp.explain(y, backend={"encoder": one, "*": other})
    assert [each.name for each in plan.crossings] == ["encoder/tanh"]
    plan = cnp.explain(y, backend={"full": one, "*": other})
    assert [each.name for each in plan.crossings] == ["encoder/full"]


def test_draws_are_the_same_on_all_backends() -> None:
    noise = cnp.random.default_rng(3).normal(size=4)
    with cnp.name_scope("encoder"):
        y = cnp.tanh(noise)
    assert cnp.evaluate(y + noise, backend={"encoder": "torch"}).tolist() == pytest.approx(
        cnp.evaluate(y + noise).tolist(), abs=1e-15
    )


def test_errors_name_the_users_line_also_of_a_program_prepared_for_other_lines() -> None:
    def build() -> Any:
        with cnp.name_scope("first"):
            return cnp.linalg.inv(cnp.tanh(cnp.asarray(np.zeros((2, 2)))))

    backend = {"tanh": "mosaic", "*": "numpy"}
    for _ in range(2):
        with pytest.raises(np.linalg.LinAlgError) as caught:
            cnp.evaluate(build(), backend=backend)
        assert "cnp.linalg.inv(cnp.tanh(" in "".join(caught.value.__notes__)
    zeros = np.zeros((2, 2))
    with cnp.name_scope("second"):
        singular = cnp.linalg.inv(cnp.tanh(cnp.asarray(zeros)))
    with pytest.raises(np.linalg.LinAlgError) as caught:
        cnp.evaluate(singular, backend=backend)
    assert "singular = " in "".join(caught.value.__notes__)
    assert "in second" in "".join(caught.value.__notes__)


def test_each_region_runs_under_the_errstate_of_its_lines() -> None:
    x = cnp.asarray([0.0, 1.0])
    with np.errstate(divide="ignore"):
        quiet = 1 / x
    y = cnp.tanh(quiet)
    np.testing.assert_array_equal(cnp.evaluate(y, backend={"divide": "numpy", "*": "torch"}), np.tanh([np.inf, 1.0]))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        cnp.evaluate(cnp.tanh(1 / x), backend={"divide": "numpy", "*": "torch"})


class Choosy:
    """Supports everything but exp."""

    name = "choosy"

    def supports(self, operation: Any, types: Any) -> bool:
        return operation.name != "exp"

    def prepare(self, program: Program) -> Callable[[Sequence[Any]], Sequence[Any]]:
        return get_backend("numpy").prepare(program)


def test_a_backend_that_does_not_support_an_operation_is_an_error_for_its_region_alone() -> None:
    _, scores = two_layers()
    np.testing.assert_array_equal(cnp.evaluate(scores, backend={"*.0": Choosy()}), cnp.evaluate(scores))
    with pytest.raises(UnsupportedOperationError, match=r"exp .* in encoder.layer.1 was given to choosy"):
        cnp.evaluate(scores, backend={"*.1": Choosy()})


def test_a_name_of_a_registered_backend_is_a_value() -> None:
    assert {"numpy", "mosaic", "torch"} <= set(available_backends())
    own = Recording()
    register_backend("recording of a test", own)
    cnp.evaluate(two_layers()[1], backend={"exp": "recording of a test"})
    assert own.names == [["exp"]]


def test_explain_names_regions_crossings_and_lines() -> None:
    _, scores = two_layers()
    plan = cnp.explain(scores, backend={"*.0": "torch", "*": "mosaic"})
    assert str(plan.regions[0]) == "region 0 (torch): 1 node, chosen by '*.0', in encoder.layer.0"
    assert str(plan.regions[1]) == "region 1 (mosaic): 2 nodes, chosen by '*', in encoder.layer.1"
    (crossing,) = plan.crossings
    assert (crossing.name, crossing.num_bytes, crossing.origin, crossing.readers) == (
        "encoder.layer.0/tanh",
        48,
        0,
        (1,),
    )
    assert "first = cnp.tanh(x)" in crossing.source
    text = str(plan)
    assert "%1 encoder.layer.0/tanh float64[2, 3]: 48 bytes to region 1 (mosaic), built at\n  File" in text
    assert text.endswith("1 tensor crosses: 48 bytes")
    assert plan.nodes[1] == "%1 encoder.layer.0/tanh float64[2, 3]: region 0 (torch)"
    assert plan.nodes[0] == "%0 data float64[2, 3]: input"
    single = cnp.explain(scores, backend="mosaic")
    assert str(single) == "region 0 (mosaic): 3 nodes, in encoder.layer.0, encoder.layer.1\n0 tensors cross: 0 bytes"
    with pytest.raises(ParameterError, match="matches nothing"):
        cnp.explain(scores, backend={"nothing": "mosaic"})


def test_steps_of_training_run_on_several_backends() -> None:
    def step(w: Any, v: Any, x: Any) -> Any:
        def loss(parameters: Any) -> Any:
            with cnp.name_scope("encoder"):
                hidden = cnp.tanh(x @ parameters[0])
            with cnp.name_scope("head"):
                return cnp.mean((hidden @ parameters[1]) ** 2)

        value, (by_w, by_v) = cnp.nn.value_and_grad(loss)([w, v])
        return w - 0.1 * by_w, v - 0.1 * by_v, value

    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((4, 3), (3, 1), (5, 4))]
    mixed = cnp.nn.compile_step(step, {"encoder": "mosaic", "head": "torch", "*": "mosaic"})
    alone = cnp.nn.compile_step(step, "numpy")
    for _ in range(3):
        for one, other in zip(mixed(*arrays), alone(*arrays), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
    assert "(torch): " in mixed.explain()
    assert "/* region 0: mosaic */" in mixed.source


def test_lbfgs_takes_a_mapping() -> None:
    found = cnp.nn.optimizers.lbfgs(
        lambda x: cnp.sum((x - 3) ** 2), cnp.zeros(2), backend={"subtract": "torch", "*": "numpy"}
    )
    np.testing.assert_allclose(cnp.evaluate(found.parameters), [3.0, 3.0], atol=1e-6)


def test_two_threads_evaluate_one_mixed_program() -> None:
    x = cnp.asarray(np.linspace(0, 1, 1000))
    with cnp.name_scope("encoder"):
        h = cnp.tanh(x * 3)
    y = cnp.exp(h) + h
    expected = cnp.evaluate(y)
    wrong: list[float] = []

    def work() -> None:
        for _ in range(20):
            value = cnp.evaluate(y, backend={"encoder": "mosaic", "*": "torch"})
            wrong.append(float(np.max(np.abs(value - expected))))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(wrong) == 60
    assert max(wrong) < 1e-14


def test_a_tensor_that_is_a_key_is_not_kept_alive() -> None:
    hidden = cnp.tanh(cnp.asarray([1.0]))
    y = cnp.exp(hidden)
    node = weakref.ref(hidden.node)
    cnp.evaluate(y, backend={hidden: "torch"})
    del hidden, y
    gc.collect()
    assert node() is None


def test_algorithms_are_chosen_for_the_whole_and_used_in_each_part() -> None:
    x, w = cnp.asarray(np.ones((3, 4), "float32")), cnp.asarray(np.ones((4, 4), "float32"))
    with cnp.name_scope("first"):
        hidden = cnp.tanh(x @ w)
    with cnp.name_scope("second"):
        hidden = cnp.exp(hidden)
    with cnp.name_scope("third"):
        y = cnp.tanh(hidden @ w)
    backend = {"second": "torch", "*": "mosaic"}
    product = make_tensor(y.node.operands[0][0], 0)

    def parts_in_c(algorithms: Any) -> list[str]:
        value = cnp.evaluate(y, backend=backend, algorithms=algorithms)
        np.testing.assert_allclose(value, cnp.evaluate(y), rtol=1e-6)
        bound, _ = bind([value_of(y)], ())
        chosen = get_backend(backend).with_algorithms(algorithms)  # type: ignore[attr-defined]  # a mixed backend has it
        text = chosen.for_program(bound.program, bound.nodes).prepare(bound.program).source
        return str(text).split("/* region 2: mosaic */")

    first, third = parts_in_c({"matmul": "small-m"})
    others = [{"third": "gemm packed at run time"}, {product: "gemm packed at run time"}]
    for algorithms in (*others, {"matmul": ["small-m", "gemm packed at run time"]}):
        again, other = parts_in_c(algorithms)
        assert third != other
    assert first == again
    names = get_backend(backend).algorithms_of("matmul")  # type: ignore[attr-defined]  # a mixed backend has it
    assert list(names) == list(get_backend("mosaic").algorithms_of("matmul"))  # type: ignore[attr-defined]
    with pytest.raises(ParameterError, match="names nothing here"):
        cnp.evaluate(y, backend=backend, algorithms={"fourth": "gemm"})
    with pytest.raises(ParameterError, match="one way to compute each operation"):
        cnp.evaluate(y, backend={"*": "torch"}, algorithms="guess")
