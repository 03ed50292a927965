"""Universal functions as objects: numpy.ufunc's attributes and methods, lazily where there is a rule."""

import inspect
import pickle
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.numpy.calls.fallback import count_fallbacks
from composit.numpy.calls.ufuncs import ufunc
from composit.program import count_evaluations
from tests.composit.numpy.comparison import assert_same, assert_same_error

X = np.arange(6.0).reshape(2, 3) + 1
FUNCTIONS = ["add", "sin", "divmod", "matmul", "vecdot", "matvec", "vecmat", "ldexp", "isnat", "frexp"]
ATTRIBUTES = ["nin", "nout", "nargs", "ntypes", "types", "identity", "signature", "__name__", "__doc__"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_attributes_are_numpys(name):
    ours, numpys = getattr(cnp, name), getattr(np, name)
    assert isinstance(ours, cnp.ufunc)
    for attribute in ATTRIBUTES:
        assert getattr(ours, attribute) == getattr(numpys, attribute), attribute
    assert inspect.signature(ours) == inspect.signature(numpys)
    assert repr(ours) == repr(numpys)
    assert pickle.loads(pickle.dumps(ours)) is ours


def test_numpys_own_universal_functions_are_instances_too():
    assert isinstance(np.add, cnp.ufunc)
    assert not isinstance(cnp.erf, cnp.ufunc)
    assert not isinstance(np.sum, cnp.ufunc)
    assert not isinstance(np.add, type(cnp.add))


def test_a_class_of_universal_functions_has_no_signature_of_its_own():
    with pytest.raises(AttributeError, match="__signature__: ufunc is a class; expected one of its functions"):
        _ = ufunc.__signature__


def test_dtypes_resolve_as_numpys():
    given = (np.dtype("float32"), int, None)
    assert cnp.add.resolve_dtypes(given) == np.add.resolve_dtypes(given)
    assert cnp.add.resolve_dtypes(given, casting="unsafe") == np.add.resolve_dtypes(given, casting="unsafe")


METHODS = {
    "reduce": lambda xp: xp.add.reduce(xp.asarray(X)),
    "reduce all": lambda xp: xp.add.reduce(xp.asarray(X), axis=None, keepdims=True),
    "reduce initial": lambda xp: xp.subtract.reduce(xp.asarray(X), initial=2),
    "reduce a list": lambda xp: xp.add.reduce([1, 2]),
    "reduce without a dtype": lambda xp: xp.maximum.reduce(xp.asarray(X), 1, None),
    "reduce to a dtype": lambda xp: xp.maximum.reduce(xp.asarray(X), dtype="f4"),
    "reduce to a dtype, keeping axes": lambda xp: xp.minimum.reduce(xp.asarray(X), None, "f4", keepdims=True),
    "reduce truth to a dtype": lambda xp: xp.logical_and.reduce(xp.asarray(X), dtype=bool),
    "reduce truth from": lambda xp: xp.logical_or.reduce(xp.asarray(X) * 0, initial=1),
    "reduce into, to a dtype": lambda xp: xp.minimum.reduce(xp.asarray(X), 0, "f8", xp.zeros(3)),
    "accumulate to no dtype": lambda xp: xp.add.accumulate(xp.asarray(X), 0, None),
    "reduce into": lambda xp: xp.add.reduce(xp.asarray(X), 1, None, xp.zeros(2)),
    "reduce by place": lambda xp: xp.add.reduce(xp.asarray(X), 0, None, None, True, 2, X > 2),
    "accumulate": lambda xp: xp.multiply.accumulate(xp.asarray(X), 1),
    "accumulate in": lambda xp: xp.add.accumulate(xp.asarray(X), 0, "float32"),
    "reduceat": lambda xp: xp.add.reduceat(xp.asarray(X), [0, 2, 1], axis=1),
    "outer": lambda xp: xp.arctan2.outer(xp.asarray(X), [1.0, 2.0]),
    "two results": lambda xp: xp.divmod.outer(xp.asarray(X), [1.0, 2.0]),
    "where": lambda xp: xp.add(xp.asarray(X), 1, where=X > 2, out=xp.zeros((2, 3))),
    "axes": lambda xp: xp.matmul(xp.asarray(X), X.T, axes=[(1, 0), (1, 0), (0, 1)]),
    "axis": lambda xp: xp.vecdot(xp.asarray(X), X, axis=0, dtype="float32"),
    "keepdims": lambda xp: xp.vecdot(xp.asarray(X), X, keepdims=True),
    "matvec": lambda xp: xp.matvec(xp.asarray(X), [1.0, 2, 3]),
    "vecmat": lambda xp: xp.vecmat([1.0, 2], xp.asarray(X)),
    "a loop": lambda xp: xp.add(xp.asarray(X), 1, signature="dd->d"),
    "from Python's": lambda xp: xp.frompyfunc(lambda x, y: x + y, 2, 1)(xp.asarray(X), 1),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_and_options_compute_what_numpys_do(name):
    assert_same(METHODS[name])


ERRORS = {
    "one operand": lambda xp: xp.matmul(xp.asarray(X)),
    "two results": lambda xp: xp.divmod.reduce(xp.asarray(X)),
    "one operand of two": lambda xp: xp.sin.reduce(xp.asarray(X)),
    "an axis too many": lambda xp: xp.add.reduce(xp.asarray(X), axis=2),
    "an unknown option": lambda xp: xp.add(xp.asarray(X), 1, other=2),
    "a core axis": lambda xp: xp.add.at(xp.asarray(X), [5], 1),
    "an array whatever its rank": lambda xp: xp.add.reduce(xp.asarray(X), 0, None, ...),
    "too many": lambda xp: xp.add.reduce(xp.asarray(X), 0, None, None, True, 2, True, 1),
    "an axis twice": lambda xp: xp.add.reduce(xp.asarray(X), 0, axis=1),
    "no ufunc": lambda xp: xp.frompyfunc(3, 1, 1),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_numpys(name):
    assert_same_error(ERRORS[name])


def test_reduction_of_a_tensor_stays_lazy():
    with count_evaluations() as counted:
        total = cnp.add.reduce(cnp.ones((2, 3)))
    assert counted.runs == 0
    assert total.shape == (3,)


def test_at_changes_tensors_and_arrays_in_place():
    x, array = cnp.asarray(X.copy()), X.copy()
    view = x[0]
    assert cnp.add.at(x, (0, [0, 0, 2]), 1) is None
    np.add.at(array, (0, [0, 0, 2]), 1)
    assert np.array_equal(cnp.evaluate(x), array)
    assert np.array_equal(cnp.evaluate(view), array[0])
    cnp.negative.at(array, ([0], [1]))
    assert array[0, 1] == -2


def test_one_of_two_results_goes_where_its_place_says():
    mantissas, exponents = cnp.frexp(cnp.asarray(X), None, written := cnp.zeros((2, 3), dtype="int32"), subok=False)
    assert exponents is written
    assert np.array_equal(cnp.evaluate(written), np.frexp(X)[1])
    assert np.array_equal(cnp.evaluate(mantissas), np.frexp(X)[0])


def test_results_go_where_out_says():
    out = cnp.zeros((2, 2))
    assert cnp.matmul(cnp.asarray(X), X.T, out=out) is out
    assert np.array_equal(cnp.evaluate(out), X @ X.T)


LARGER = {
    "a number to one element": lambda xp: xp.add(xp.ones(3)[0], 2.0, out=xp.zeros(1)),
    "a row to rows": lambda xp: xp.fmax(xp.arange(3.0), 1.0, out=xp.zeros((2, 3))),
    "one element to none": lambda xp: xp.exp(xp.ones(1), out=xp.zeros(0)),
    "outer": lambda xp: xp.multiply.outer(xp.arange(3.0), xp.ones(2), out=xp.zeros((2, 3, 2))),
    "two results": lambda xp: xp.modf(xp.asarray(X), out=(xp.ones((2, 2, 3)), xp.ones((2, 2, 3)))),
    "integers": lambda xp: xp.add(xp.arange(3.5), 1, out=xp.zeros((2, 4), dtype="int8"), casting="unsafe"),
}


@pytest.mark.parametrize("words", LARGER.values(), ids=LARGER.keys())
def test_results_are_lazily_repeated_to_fill_a_larger_out(words):
    assert_same(words)
    with count_fallbacks() as counted, count_evaluations() as count:
        words(cnp)
    assert not counted
    assert count.runs == 0


def test_elements_written_one_by_one_wait_for_one_evaluation():
    x, indices = cnp.ones(5), cnp.asarray([0, 3, 3])
    with count_evaluations() as count:
        for index, value in zip(indices, cnp.arange(3.0), strict=True):
            cnp.add(x[index], value, out=x[index : index + 1], casting="unsafe")
    assert count.runs == 0
    assert cnp.evaluate(x).tolist() == [1, 1, 1, 4, 1]


@pytest.mark.parametrize("make_out", [lambda xp: xp.zeros(3, "float32"), lambda xp: np.zeros(3, "float32")])
@pytest.mark.parametrize("casting", ["safe", "equiv", "no"])
def test_the_casting_rule_holds_for_out(casting, make_out):
    assert_same_error(lambda xp: xp.add(xp.ones(3), xp.ones(3), out=make_out(xp), casting=casting))


def test_a_result_that_was_not_given_is_repeated_like_its_neighbour():
    assert_same(lambda xp: xp.modf(xp.asarray(X), out=(xp.ones((2, 2, 3)), None)))


@pytest.mark.parametrize("shape", [(2, 3), (), (2,)])
def test_a_reduction_refuses_an_array_of_another_shape(shape):
    assert_same_error(lambda xp: np.add.reduce(xp.ones((3, 3)), axis=0, out=np.zeros(shape)))


def test_operands_of_classes_that_are_not_ours_are_asked():
    masked = np.ma.array([1, 2], mask=[False, True])
    assert cnp.add.reduce(masked) == np.add.reduce(masked)

    class Alone:
        __array_ufunc__ = None

    with pytest.raises(TypeError, match="does not support ufuncs"):
        cnp.add.reduce(Alone())

    class Asked:
        def __array_ufunc__(self, ufunc, method, *operands, **options):
            return ufunc, method

        def __array__(self, dtype=None, copy=None):
            raise AssertionError("its values were taken without asking")

    assert cnp.add(Asked(), 1) == (np.add, "__call__")
    assert cnp.add(cnp.ones(3), Asked()) == (np.add, "__call__")
    assert cnp.add.reduce(Asked()) == (np.add, "reduce")


def test_functions_made_from_pythons_are_objects_too():
    pair = cnp.frompyfunc(lambda x, y: x + y, 2, 1)
    assert isinstance(pair, cnp.ufunc)
    assert (pair.nin, pair.nout, pair.types, pair.identity) == (2, 1, ["OO->O"], None)
    assert pair.reduce([1, 2, 3]) == 6


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_a_third_operand_by_its_place_is_warned_of(name):
    for xp in (np, cnp):
        with pytest.warns(DeprecationWarning, match="Passing more than 2 positional arguments to np.maximum") as caught:
            getattr(xp, name)(xp.ones(2), 0, xp.zeros(2))
        assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "options",
    [
        {"sig": "ii->i", "casting": "unsafe"},
        {"signature": "ii->i", "casting": "unsafe"},
        {"sig": (None, None, np.float32)},
        {"order": "F"},
        {"subok": False},
        {"where": True},
        {"dtype": np.complex128},
    ],
    ids=str,
)
def test_every_argument_of_a_universal_function_is_known(options: dict[str, Any]) -> None:
    x = np.array([0.0, 0.6, 1.2])
    result = cnp.add(cnp.asarray(x), 0.5, **options)
    np.testing.assert_array_equal(cnp.evaluate(result), np.add(x, 0.5, **options), strict=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'sign'"):
        cnp.add(x, 0.5, sign="ii->i")


UFUNCS = sorted(name for name, function in vars(np).items() if isinstance(function, np.ufunc))


def _refused(name: str, xp: Any, *operands: Any) -> Exception | None:
    try:
        cnp.evaluate(getattr(xp, name)(*map(xp.asarray, operands)))
    except Exception as error:  # noqa: BLE001  # the class is what is compared
        return error
    return None


@pytest.mark.parametrize("name", UFUNCS)
def test_an_error_of_dtypes_is_numpys_own_with_what_to_do_as_a_note(name: str) -> None:
    ufunc = getattr(np, name)
    shape = (2,) if ufunc.signature is None else (2, 2)
    for dtype in ("?", "d", "D", "m8[s]"):
        operands = [np.zeros(shape, dtype)] * ufunc.nin
        expected, error = _refused(name, np, *operands), _refused(name, cnp, *operands)
        assert type(error) is type(expected)
        assert str(error) == str(expected)
        if isinstance(error, TypeError) and ufunc.signature is None:
            (note,) = error.__notes__
            assert note.endswith("convert the operands with astype")


def test_objects_are_refused_by_their_elements_with_the_class_that_numbers_are_refused_with() -> None:
    with pytest.raises(TypeError) as of_numbers:
        cnp.invert(cnp.array(0.5))
    with pytest.raises(of_numbers.type, match="not supported for the input types"):
        cnp.invert(cnp.array(type("Number", (np.float64,), {})(0.5), dtype=object))


TAKE_ONE_INTEGER = [name for name in UFUNCS if getattr(np, name).nin == 1 and name != "isnat"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TAKE_ONE_INTEGER)
def test_an_integer_of_pythons_alone_has_the_dtype_that_asarray_gives_it(name: str) -> None:
    for number in (2**62, 2**63, 2**64 - 1):
        assert_same(lambda xp, number=number: getattr(xp, name)(number))


def test_the_gradient_of_a_repeated_result_is_the_sum_over_its_places() -> None:
    x, out = cnp.arange(3.0), cnp.reshape(cnp.arange(6.0), (2, 3))
    cnp.multiply(x, x, out=out[:, :])
    (gradient,) = cnp.nn.chain_rule({out: np.arange(6.0).reshape(2, 3)}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), 2 * np.arange(3.0) * [3, 5, 7])
