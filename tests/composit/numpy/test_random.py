"""Random numbers: numpy's for the same seed and every method, the same at each evaluation."""

import copy
import inspect
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.random.bit_generator import ISeedSequence

import composit as cnp
from composit.program import count_evaluations
from composit.types import LazyTensor
from tests.composit.numpy.comparison import assert_derivative

random = cnp.random

# One call of each method that Generator and RandomState share.
_SHARED: dict[str, Callable[[Any, Any], Any]] = {
    "beta": lambda g, xp: g.beta(2.0, xp.array([1.0, 3.0])),
    "binomial": lambda g, xp: g.binomial(xp.array([3, 9]), 0.3),
    "bytes": lambda g, xp: g.bytes(5),
    "chisquare": lambda g, xp: g.chisquare(3, size=(2, 2)),
    "choice": lambda g, xp: g.choice(xp.arange(10.0), size=(2, 3), p=xp.full(10, 0.1)),
    "dirichlet": lambda g, xp: g.dirichlet(xp.array([1.0, 2.0, 3.0]), 4),
    "exponential": lambda g, xp: g.exponential(scale=xp.ones((2, 1)), size=(2, 3)),
    "f": lambda g, xp: g.f(3, 4, 5),
    "gamma": lambda g, xp: g.gamma(xp.array([1.0, 2.0]), 3.0),
    "geometric": lambda g, xp: g.geometric(0.4, 6),
    "gumbel": lambda g, xp: g.gumbel(0.0, [1.0, xp.float64(2.0)]),
    "hypergeometric": lambda g, xp: g.hypergeometric(10, 5, xp.array([3, 4])),
    "laplace": lambda g, xp: g.laplace(size=3),
    "logistic": lambda g, xp: g.logistic(size=(3,)),
    "lognormal": lambda g, xp: g.lognormal(size=3),
    "logseries": lambda g, xp: g.logseries(0.7, 3),
    "multinomial": lambda g, xp: g.multinomial(20, xp.array([0.25, 0.25, 0.5]), size=2),
    "multivariate_normal": lambda g, xp: g.multivariate_normal(xp.zeros(2), xp.eye(2), (3,)),
    "negative_binomial": lambda g, xp: g.negative_binomial(3, 0.5, 4),
    "noncentral_chisquare": lambda g, xp: g.noncentral_chisquare(3, 2.0, 4),
    "noncentral_f": lambda g, xp: g.noncentral_f(3, 4, 2.0, 4),
    "normal": lambda g, xp: g.normal(xp.array([0.0, 100.0]), 1.0),
    "pareto": lambda g, xp: g.pareto(3.0, 4),
    "permutation": lambda g, xp: g.permutation(xp.arange(12).reshape(6, 2)),
    "poisson": lambda g, xp: g.poisson(xp.array([1.0, 20.0]), (3, 2)),
    "power": lambda g, xp: g.power(3.0, 4),
    "random": lambda g, xp: g.random((2, 3)),
    "rayleigh": lambda g, xp: g.rayleigh(size=3),
    "standard_cauchy": lambda g, xp: g.standard_cauchy(size=3),
    "standard_exponential": lambda g, xp: g.standard_exponential(3),
    "standard_gamma": lambda g, xp: g.standard_gamma(2.0, 3),
    "standard_normal": lambda g, xp: g.standard_normal(3),
    "standard_t": lambda g, xp: g.standard_t(xp.array([3, 5])),
    "triangular": lambda g, xp: g.triangular(0.0, xp.array([0.5, 1.0]), 2.0),
    "uniform": lambda g, xp: g.uniform(-1, 1, size=()),
    "vonmises": lambda g, xp: g.vonmises(0.0, 4.0, 3),
    "wald": lambda g, xp: g.wald(1.0, 2.0, 3),
    "weibull": lambda g, xp: g.weibull(2.0, 3),
    "zipf": lambda g, xp: g.zipf(2.5, 3),
}


def _shuffled(g: Any, xp: Any) -> Any:
    x = xp.arange(12).reshape(6, 2)
    assert g.shuffle(x) is None
    return x


_SHARED["shuffle"] = _shuffled

_OF_GENERATOR: dict[str, Callable[[Any, Any], Any]] = {
    **_SHARED,
    "integers": lambda g, xp: g.integers(xp.array([3, 100]), size=(4, 2), dtype=np.uint8, endpoint=True),
    "multivariate_hypergeometric": lambda g, xp: g.multivariate_hypergeometric(xp.array([3, 4, 5]), 6, size=2),
    "permuted": lambda g, xp: g.permuted(xp.arange(12).reshape(3, 4), axis=1),
}
_OF_STATE: dict[str, Callable[[Any, Any], Any]] = {
    **_SHARED,
    "rand": lambda g, xp: g.rand(2, 3),
    "randn": lambda g, xp: g.randn(2, 3),
    "randint": lambda g, xp: g.randint(xp.array([3, 100]), size=(4, 2), dtype=np.int16),
    "random_integers": lambda g, xp: g.random_integers(6, size=3),
    "random_sample": lambda g, xp: g.random_sample((2, 3)),
    "tomaxint": lambda g, xp: g.tomaxint((2,)),
}
# What draws nothing: seeds, states and the source of bits.
_NOT_DRAWN = {"bit_generator", "spawn", "seed", "get_state", "set_state"}


def _assert_equal(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, np.ndarray | np.generic):
        assert isinstance(ours, LazyTensor)
        value = cnp.evaluate(ours)
        assert (value.dtype, type(value)) == (theirs.dtype, type(theirs))
        np.testing.assert_array_equal(value, theirs)
        np.testing.assert_array_equal(cnp.evaluate(ours), value)
    else:
        assert type(ours) is type(theirs)
        assert ours == theirs


@pytest.mark.parametrize("name", _OF_GENERATOR)
def test_a_method_of_generator_draws_numpys_numbers_and_reads_tensors(name: str) -> None:
    _assert_equal(_OF_GENERATOR[name](random.default_rng(3), cnp), _OF_GENERATOR[name](np.random.default_rng(3), np))


@pytest.mark.parametrize("name", _OF_STATE)
def test_a_method_of_random_state_draws_numpys_numbers_and_reads_tensors(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # random_integers
        _assert_equal(_OF_STATE[name](random.RandomState(3), cnp), _OF_STATE[name](np.random.RandomState(3), np))


@pytest.mark.parametrize("name", sorted(set(_OF_STATE) - {"tomaxint"}))
def test_a_function_draws_from_the_generator_that_numpy_seeds(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        random.seed(5)
        ours = _OF_STATE[name](random, cnp)
        np.random.seed(5)
        _assert_equal(ours, _OF_STATE[name](np.random, np))


def test_every_method_of_numpys_classes_is_in_the_tables_above() -> None:
    for theirs, ours, table in (
        (np.random.Generator, random.Generator, _OF_GENERATOR),
        (np.random.RandomState, random.RandomState, _OF_STATE),
    ):
        public = {name for name in dir(theirs) if not name.startswith("_")}
        assert public - _NOT_DRAWN == set(table)
        assert all(name in vars(ours) for name in table)


def test_every_name_of_numpy_random_is_here_with_numpys_signature() -> None:
    for name in [*np.random.__all__, "get_bit_generator", "set_bit_generator"]:
        theirs, ours = getattr(np.random, name), getattr(random, name)
        assert inspect.signature(ours) == inspect.signature(theirs), name
        if isinstance(theirs, type):
            for method, value in vars(theirs).items():
                if callable(value) and not method.startswith("_"):
                    assert inspect.signature(getattr(ours, method)) == inspect.signature(value), (name, method)


def test_a_single_number_is_pythons_where_numpy_gives_pythons() -> None:
    ours, theirs = random.default_rng(3), np.random.default_rng(3)
    draws: list[Callable[[Any], Any]] = [
        lambda g: g.uniform(),
        lambda g: g.integers(5),
        lambda g: g.integers(5, dtype=int),
        lambda g: g.choice(4),
        lambda g: g.choice([1.5, 2.5]),
        lambda g: g.standard_normal(dtype=np.float32),
        lambda g: g.random(size=()),
        lambda g: g.permutation(4),
    ]
    for draw in draws:
        _assert_equal(draw(ours), draw(theirs))
    assert ours.choice(["a", "b"]) == theirs.choice(["a", "b"])


def test_numbers_drawn_are_inputs_each_of_its_own() -> None:
    assert random.rand(3).node != random.rand(3).node
    assert len(random.default_rng(0).normal(size=3).graph) == 1


def test_a_permutation_of_a_tensor_is_lazy_and_has_a_derivative() -> None:
    x = cnp.arange(8.0) * 2
    with count_evaluations() as count:
        permuted = random.default_rng(1).permutation(x)
        sampled = random.default_rng(1).choice(x.reshape(4, 2), size=3, axis=0, replace=False)
    assert count.runs == 0
    _assert_equal(permuted, np.random.default_rng(1).permutation(np.arange(8.0) * 2))
    theirs = np.random.default_rng(1).choice(np.arange(8.0).reshape(4, 2) * 2, size=3, axis=0, replace=False)
    _assert_equal(sampled, theirs)
    assert_derivative(lambda t: random.default_rng(1).permutation(t, axis=1), np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_shuffle_moves_a_tensor_and_its_views_on(axis: int) -> None:
    x = cnp.arange(12).reshape(3, 4)
    row, theirs = x[1], np.arange(12).reshape(3, 4)
    random.default_rng(2).shuffle(x, axis=axis)
    np.random.default_rng(2).shuffle(theirs, axis=axis)
    _assert_equal(x, theirs)
    _assert_equal(row, theirs[1])


def test_shuffle_of_a_view_writes_to_its_base() -> None:
    x, theirs = cnp.arange(9), np.arange(9)
    random.RandomState(2).shuffle(x[::2])
    np.random.RandomState(2).shuffle(theirs[::2])
    _assert_equal(x, theirs)


def test_shuffle_of_lists_and_arrays_is_numpys_own() -> None:
    cards, theirs = list(range(9)), list(range(9))
    random.default_rng(2).shuffle(cards)
    np.random.default_rng(2).shuffle(theirs)
    assert cards == theirs
    array, expected = np.arange(9), np.arange(9)
    random.default_rng(2).shuffle(array)
    np.random.default_rng(2).shuffle(expected)
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.random.default_rng(0).shuffle(xp.float64(3.0)),
        lambda xp: xp.random.default_rng(0).shuffle(xp.arange(3), 1),
        lambda xp: xp.random.default_rng(0).permutation(xp.array(3)),
        lambda xp: xp.random.default_rng(0).permutation(xp.arange(3), 4),
        lambda xp: xp.random.RandomState(0).permutation(xp.arange(3), 0),
        lambda xp: xp.random.RandomState(0).choice(xp.ones((2, 2))),
        lambda xp: xp.random.default_rng(0).choice(xp.ones(0)),
        lambda xp: xp.random.default_rng(0).choice(xp.ones(3), p=[0.5, 0.5]),
        lambda xp: xp.random.default_rng(0).normal(0, -1),
        lambda xp: xp.random.default_rng(0).normal(0, xp.array([1.0, -1.0])),
        lambda xp: xp.random.default_rng(0).random(3, out=xp.zeros(4)),
        lambda xp: xp.random.default_rng(0).random(out=xp.zeros(8)[::2]),
        lambda xp: xp.random.default_rng(0).random(3, np.float64, None, 5),
        lambda xp: xp.random.default_rng(-1),
        lambda xp: xp.random.Generator(3),
        lambda xp: xp.random.BitGenerator(),
        lambda xp: xp.random.randint(3, 2),
    ],
)
def test_what_numpy_refuses_is_refused_with_its_words(words: Callable[[Any], Any]) -> None:
    errors = []
    for xp in (np, cnp):
        with pytest.raises((ValueError, TypeError, AttributeError, NotImplementedError)) as caught:
            words(xp)
        errors.append(caught.value)
    assert type(errors[1]) is type(errors[0])
    assert str(errors[1]) == str(errors[0])


@pytest.mark.parametrize(
    "draw",
    [
        lambda g, out: g.random(out=out),
        lambda g, out: g.standard_normal((2, 3), np.float64, out),
        lambda g, out: g.standard_exponential(method="inv", out=out),
        lambda g, out: g.standard_gamma(2.0, out=out),
        lambda g, out: g.permuted(np.arange(6.0).reshape(2, 3), axis=1, out=out),
    ],
)
def test_out_is_written_to(draw: Callable[[Any, Any], Any]) -> None:
    base, array, theirs = cnp.zeros((2, 2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    out = base[1]
    draw(np.random.default_rng(4), theirs)
    assert draw(random.default_rng(4), out) is out
    assert draw(random.default_rng(4), array) is array
    _assert_equal(out, theirs)
    np.testing.assert_array_equal(array, theirs)
    np.testing.assert_array_equal(cnp.evaluate(base), [np.zeros((2, 3)), theirs])


def test_out_in_columns_is_filled_as_it_lies() -> None:
    out, theirs = cnp.asarray(np.zeros((2, 3), order="F")), np.zeros((2, 3), order="F")
    random.default_rng(4).random(out=out)
    np.random.default_rng(4).random(out=theirs)
    _assert_equal(out, theirs)
    x = cnp.arange(6.0).reshape(2, 3)
    random.default_rng(4).permuted(x, out=x)
    _assert_equal(x, np.random.default_rng(4).permuted(np.arange(6.0).reshape(2, 3)))
    spread = cnp.zeros((2, 6))[:, ::2]
    random.default_rng(4).permuted(x, out=spread)
    _assert_equal(spread, np.random.default_rng(4).permuted(cnp.evaluate(x), out=np.zeros((2, 6))[:, ::2]))


@pytest.mark.parametrize("make", [random.default_rng, random.RandomState])
@pytest.mark.parametrize("copied", [lambda g: pickle.loads(pickle.dumps(g)), copy.deepcopy])
def test_a_copy_draws_the_same_numbers(make: Callable[[int], Any], copied: Callable[[Any], Any]) -> None:
    generator = make(3)
    generator.standard_normal()  # RandomState keeps the second of a pair
    again = copied(generator)
    assert type(again) is type(generator)
    np.testing.assert_array_equal(cnp.evaluate(again.normal(size=3)), cnp.evaluate(generator.normal(size=3)))


@pytest.mark.parametrize("name", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_a_source_of_bits_is_numpys(name: str) -> None:
    ours, theirs = getattr(random, name)(cnp.arange(4)), getattr(np.random, name)(np.arange(4))
    assert isinstance(ours, np.random.BitGenerator)
    assert isinstance(theirs, getattr(random, name))
    _assert_equal(ours.random_raw((2, 2)), theirs.random_raw((2, 2)))
    _assert_equal(ours.random_raw(), theirs.random_raw())
    assert ours.random_raw(3, output=False) is theirs.random_raw(3, output=False) is None
    (child,), (expected,) = ours.spawn(1), theirs.spawn(1)
    assert type(child) is type(ours)
    _assert_equal(random.Generator(child).normal(size=2), np.random.Generator(expected).normal(size=2))
    again = pickle.loads(pickle.dumps(ours))
    assert type(again) is type(ours)
    _assert_equal(again.random_raw(3), theirs.random_raw(3))
    jumps = [getattr(source, "jumped", None) for source in (again, theirs)]
    if all(jumps):
        _assert_equal(*(jump().random_raw(3) for jump in jumps if jump is not None))


def test_a_state_may_hold_tensors() -> None:
    ours, theirs = random.MT19937(1), np.random.MT19937(1)
    state = theirs.state
    theirs.random_raw(3)
    ours.random_raw(7)
    ours.state = {**state, "state": {**state["state"], "key": cnp.array(state["state"]["key"])}}
    ours.random_raw(3)
    _assert_equal(ours.random_raw(3), theirs.random_raw(3))
    generator = random.RandomState()
    name, key, *rest = np.random.RandomState(9).get_state()
    generator.set_state((name, cnp.array(key), *rest))
    _assert_equal(generator.rand(2), np.random.RandomState(9).rand(2))
    generator.seed(cnp.arange(3))
    _assert_equal(generator.rand(2), np.random.RandomState(np.arange(3)).rand(2))


def test_philox_takes_a_key_instead_of_a_seed() -> None:
    _assert_equal(random.Philox(key=cnp.array([1, 2])).random_raw(2), np.random.Philox(key=[1, 2]).random_raw(2))


def test_a_seed_sequence_takes_tensors_and_makes_children_of_its_class() -> None:
    ours, theirs = random.SeedSequence(cnp.arange(3)), np.random.SeedSequence(np.arange(3))
    assert type(ours.spawn(1)[0]) is random.SeedSequence
    np.testing.assert_array_equal(ours.generate_state(4), theirs.generate_state(4))
    assert isinstance(random.default_rng(3).bit_generator.seed_seq, random.SeedSequence)
    theirs.spawn(1)
    np.testing.assert_equal(pickle.loads(pickle.dumps(ours)).state, theirs.state)
    assert isinstance(theirs, random.SeedSequence)


def test_generators_of_numpy_and_ours_take_each_others_place() -> None:
    ours, theirs = random.default_rng(3), np.random.default_rng(3)
    assert random.default_rng(ours) is ours
    assert np.random.default_rng(ours) is ours
    assert isinstance(theirs, random.Generator)
    wrapped = random.default_rng(theirs)
    assert type(wrapped) is random.Generator
    assert wrapped.bit_generator is theirs.bit_generator
    assert (str(ours), repr(ours)[:19]) == ("Generator(PCG64)", "Generator(PCG64) at")
    state = random.RandomState(random.PCG64(3))
    assert isinstance(state, np.random.RandomState)
    assert str(state) == "RandomState(PCG64)"
    assert random.default_rng(state).bit_generator is state._bit_generator
    _assert_equal(state.rand(2), np.random.RandomState(np.random.PCG64(3)).rand(2))
    assert isinstance(np.random.RandomState(1), random.RandomState)


def test_children_are_independent_generators_of_ours() -> None:
    ours, theirs = random.default_rng(3).spawn(2), np.random.default_rng(3).spawn(2)
    for child, expected in zip(ours, theirs, strict=True):
        assert type(child) is random.Generator
        _assert_equal(child.normal(size=2), expected.normal(size=2))


def test_the_functions_follow_another_source_of_bits() -> None:
    original = random.get_bit_generator()
    try:
        random.set_bit_generator(random.PCG64(5))
        _assert_equal(random.randint(0, 100, 4), np.random.RandomState(np.random.PCG64(5)).randint(0, 100, 4))
        assert isinstance(random.get_bit_generator(), random.PCG64)
        random.seed(3)
        state = random.get_state(legacy=False)
        assert state["state"] == np.random.PCG64(3).state["state"]
        drawn = random.sample(2)
        random.set_state(state)
        _assert_equal(drawn, np.random.ranf(2))
        random.set_state(state)
        _assert_equal(random.ranf(2), cnp.evaluate(drawn))
    finally:
        random.set_bit_generator(original)


def test_a_guard_notes_what_decided_the_numbers() -> None:
    scale = cnp.array(2.0)
    drawn = random.default_rng(0).normal(0, scale, size=3) * scale
    with pytest.raises(cnp.errors.GuardError, match="normal"):
        cnp.evaluate(drawn, inputs={scale: np.array(3.0)})


def test_a_seed_sequence_of_another_class_may_give_tensors() -> None:
    class Zeros:
        def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
            return cnp.zeros(n_words, dtype=dtype)

    ISeedSequence.register(Zeros)
    zeros = Zeros()
    source = random.PCG64(zeros)
    assert source.seed_seq is zeros
    assert source.random_raw(2).shape == (2,)
    with pytest.raises(TypeError, match="does not implement spawning"):
        source.spawn(2)


def test_an_object_that_stands_for_a_tensor_is_permuted() -> None:
    class Holder:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return cnp.arange(5)

    _assert_equal(random.RandomState(1).permutation(Holder()), np.random.RandomState(1).permutation(np.arange(5)))


def test_a_warning_about_what_is_shuffled_names_the_line_of_the_call() -> None:
    with pytest.warns(UserWarning, match="you are shuffling a 'dict'") as caught:
        random.default_rng(0).shuffle({0: 1, 1: 2})
    assert caught[0].filename == __file__


def test_an_object_chosen_from_an_array_of_objects_is_the_object() -> None:
    objects = np.empty(2, object)
    objects[:] = [thing := {"a": 1}, thing]
    assert random.default_rng(0).choice(objects) is thing
