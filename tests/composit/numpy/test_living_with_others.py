"""What other libraries ask of a tensor: whether it is a number, an array of numpy's, memory to write to."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy
import numpy as np
import pandas
import pytest
import torch
from scipy import ndimage
from sklearn import cluster, linear_model, model_selection, preprocessing, svm, tree, utils

import composit.numpy as cnp
from composit.errors import OperandError

Call = Callable[[Any], Any]  # takes a namespace, numpy or composit.numpy
FRAME = pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": [3, 1, 2]})


def _appended(np: Any) -> Any:
    frame = pandas.DataFrame({"n": [0], "mean": [0.5]})
    for i in range(1, 4):
        frame.loc[len(frame)] = [np.arange(i).sum(), np.arange(i).mean()]
    return frame


def _assigned(np: Any) -> Any:
    frame = FRAME.copy()
    frame.loc[np.array([True, False, True]), "a"] = np.zeros(2)
    frame.loc[np.arange(3) > 1, "b"] = np.arange(9).max()
    frame.iloc[0, 1] = np.arange(5).max()
    frame.at[2, "a"] = np.ones(9).sum()
    frame["c"] = [np.ones(i + 1).sum() for i in range(3)]
    return frame


TABLES: dict[str, Call] = {
    "rows": lambda np: pandas.DataFrame(
        [{"n": n, "mean": np.arange(n).mean(), "max": np.arange(n).max()} for n in (3, 4)]
    ),
    "columns": lambda np: pandas.DataFrame({"sum": [np.ones(2).sum()] * 2, "max": [np.arange(3).max()] * 2}),
    "tuples": lambda np: pandas.DataFrame([(n, np.arange(n).mean()) for n in (2, 3)]),
    "complex": lambda np: pandas.DataFrame([{"z": (np.ones(2) * 1j).sum()}]),
    "mixed": lambda np: pandas.DataFrame({"a": [1, np.ones(2).sum(), None], "b": [np.arange(2).max(), 2.5, 3]}),
    "one for all rows": lambda np: pandas.DataFrame({"a": np.arange(3.0).sum(), "b": [1, 2]}),
    "float32 for all rows": lambda np: pandas.DataFrame({"a": np.ones(2, "float32").sum(), "b": [1, 2]}),
    "list": lambda np: pandas.Series([np.arange(3.0).mean(), np.arange(4.0).mean()]),
    "dictionary": lambda np: pandas.Series({"a": np.ones(2).sum(), "b": np.arange(3).max()}),
    "apply": lambda np: FRAME["a"].apply(lambda value: np.sqrt(value)),
    "map": lambda np: FRAME["b"].map(lambda value: np.arange(value + 1).sum()),
    "agg": lambda np: FRAME.groupby(FRAME["b"] > 1)["a"].agg(lambda part: np.mean(np.asarray(part))),
    "appended": _appended,
    "assigned": _assigned,
    "mask": lambda np: FRAME[np.array([True, False, True])],
    "mask of loc": lambda np: FRAME.loc[np.arange(3) > 0, "a"],
    "mask of iloc": lambda np: FRAME.iloc[np.array([True, False, True])],
    "mask of a series": lambda np: FRAME["a"][np.array([True, False, True])],
    "groupby": lambda np: FRAME.groupby(np.array([0, 1, 0])).sum(),
    "groupby with a column": lambda np: FRAME.groupby([np.array([0, 1, 0]), "b"]).sum(),
    "groupby of a series": lambda np: FRAME["a"].groupby(np.arange(3) > 1).mean(),
    "pivot": lambda np: FRAME.assign(k=np.array([1, 1, 2])).pivot_table(index="k", values="a"),
    "crosstab": lambda np: pandas.crosstab(np.array([1, 1, 2]), np.array([3, 4, 3])),
    "set_index": lambda np: FRAME.set_index(np.array([5, 6, 7])),
    "unique": lambda np: pandas.Series(pandas.unique(np.array([3, 1, 1]))),
    "factorize": lambda np: pandas.Series(pandas.factorize(np.array(["b", "a", "b"]))[0]),
    "value_counts": lambda np: pandas.Series(np.array([1, 1, 2])).value_counts(),
}


@pytest.mark.parametrize("name", TABLES)
def test_pandas_makes_of_tensors_what_it_makes_of_numpys_values(name: str) -> None:
    made, expected = TABLES[name](cnp), TABLES[name](numpy)
    assert type(made) is type(expected)
    (pandas.testing.assert_frame_equal if made.ndim == 2 else pandas.testing.assert_series_equal)(made, expected)


def test_pandas_finds_numbers() -> None:
    assert pandas.api.types.infer_dtype([cnp.ones(2).sum()]) == "floating"
    assert pandas.api.types.is_float(cnp.ones(2).mean())
    assert pandas.api.types.is_integer(cnp.arange(3).sum())
    at = FRAME.at[cnp.argmax(cnp.array([3, 1, 2])), "a"]
    assert (at, FRAME["b"].iloc[cnp.argmin(cnp.array([3, 1, 2]))]) == (1.0, 1)
    assert pandas.Timedelta(cnp.ones(2).sum(), unit="s") == pandas.Timedelta(2, unit="s")


def test_a_scalar_in_a_table_stays_lazy_until_the_table_is_made_and_has_a_derivative() -> None:
    x = cnp.arange(4.0)
    with cnp.count_evaluations() as counted:
        row = {"mean": x.mean()}
    assert counted.runs == 0
    assert pandas.DataFrame([row]).dtypes["mean"].name == "float64"
    np.testing.assert_array_equal(cnp.evaluate(cnp.chain_rule({row["mean"]: row["mean"]}, [x])[0]), np.full(4, 0.25))


@pytest.mark.parametrize("char", "efdgFDGbBhHiIlLqQ")
def test_the_class_of_a_number_says_its_dtype_and_kind(char: str) -> None:
    number = cnp.ones(2, char).max()
    real = np.ones(2, char).max()
    assert np.dtype(type(number)) == real.dtype
    for kind in (np.floating, np.integer, np.complexfloating):
        assert isinstance(number, kind) == isinstance(real, kind)
        assert issubclass(type(number), kind) == isinstance(real, kind)
    # Were np.generic among the bases, numpy's C code would read a value from memory that holds none.
    assert not issubclass(type(number), np.generic)
    for made in (np.array([number, number]), np.full(2, number), np.zeros(2, char) + number):
        assert made.dtype == real.dtype
        np.testing.assert_array_equal(np.asarray(made), [1, 1])
    filled = np.zeros(2, char)
    filled[0] = number
    np.testing.assert_array_equal(filled, [1, 0])


def _data(np: Any) -> tuple[Any, Any, Any]:
    x = np.array(numpy.random.default_rng(0).normal(size=(40, 3)))
    return x, (x[:, 0] > 0).astype(int), x @ np.arange(3.0)


def _search(kind: Any, model: Any, name: str, values: Any, np: Any, **options: Any) -> Any:
    x, _, y = _data(np)
    return float(kind(model, {name: values}, cv=2, **options).fit(x, y).best_params_[name])


LEARNERS: dict[str, Call] = {
    "grid": lambda np: _search(model_selection.GridSearchCV, linear_model.Ridge(), "alpha", np.logspace(-2, 2, 3), np),
    "grid of integers": lambda np: _search(
        model_selection.GridSearchCV, tree.DecisionTreeRegressor(random_state=0), "max_depth", np.arange(1, 4), np
    ),
    "random search": lambda np: _search(
        model_selection.RandomizedSearchCV,
        linear_model.Ridge(),
        "alpha",
        np.logspace(-2, 2, 5),
        np,
        n_iter=2,
        random_state=0,
    ),
    "a scalar as parameter": lambda np: linear_model.Ridge(alpha=np.logspace(-1, 1, 3)[1]).fit(*_data(np)[::2]).coef_,
    "alphas": lambda np: linear_model.RidgeCV(alphas=np.logspace(-3, 3, 5)).fit(*_data(np)[::2]).alpha_,
    "logistic": lambda np: linear_model.LogisticRegression().fit(*_data(np)[:2]).coef_,
    "svc": lambda np: svm.SVC(C=np.float64(2) * np.ones(1)[0]).fit(*_data(np)[:2]).predict(_data(np)[0]),
    "kmeans": lambda np: cluster.KMeans(2, n_init=1, random_state=0).fit(_data(np)[0]).labels_,
    "scaler": lambda np: preprocessing.StandardScaler().fit_transform(_data(np)[0]),
    "classes": lambda np: utils.class_weight.compute_class_weight(
        "balanced", classes=np.unique(_data(np)[1]), y=_data(np)[1]
    ),
    "split": lambda np: model_selection.train_test_split(*_data(np)[:2], random_state=0)[3],
}


@pytest.mark.parametrize("name", LEARNERS)
def test_scikit_learn_takes_tensors(name: str) -> None:
    made, expected = LEARNERS[name](cnp), LEARNERS[name](numpy)
    np.testing.assert_array_equal(np.asarray(made), np.asarray(expected))


def _shuffled(shuffle: Callable[[Any], Any]) -> Call:
    def program(np: Any) -> Any:
        x = np.arange(12.0)
        shuffle(x)
        return x

    return program


@pytest.mark.parametrize(
    "shuffle",
    [
        lambda x: random.Random(0).shuffle(x),
        lambda x: random.Random(0).shuffle(x[2:9]),
        lambda x: np.put(x, [0, 1], [5, 6]),
        lambda x: np.copyto(x, 3),
        lambda x: np.multiply(x, 2, out=x),
        lambda x: np.take(x, [0] * 12, out=x),
    ],
)
def test_what_is_written_element_by_element_or_through_numpy_reaches_the_tensor(shuffle: Any) -> None:
    np.testing.assert_array_equal(cnp.evaluate(_shuffled(shuffle)(cnp)), _shuffled(shuffle)(numpy))


@pytest.mark.parametrize(
    "write",
    [
        lambda x: ndimage.gaussian_filter(np.ones(12), 1, output=x),
        lambda x: ndimage.sobel(x, output=x),
        lambda x: ndimage.shift(np.ones(12), 1, output=x),
        lambda x: np.asarray(x).__setitem__(0, 7),
        lambda x: np.asarray(x).sort(),
        lambda x: np.random.default_rng(0).standard_normal(out=x),
        lambda x: np.random.default_rng(0).permuted(x, out=x),
        lambda x: preprocessing.scale(x.reshape(-1, 1), copy=False),
        lambda x: io.BytesIO(b"\0" * 96).readinto(x),
        lambda x: x.__buffer__(1),
        lambda x: cnp.ma.masked_where(x > 3, x, copy=False).__setitem__(0, 7),
        lambda x: cnp.ma.masked_greater(x, 3, copy=False).sort(),
    ],
)
def test_what_is_written_to_memory_that_was_handed_out_raises(write: Any) -> None:
    x = cnp.arange(12.0) + 0
    with pytest.raises((ValueError, TypeError, BufferError)):
        write(x)
    np.testing.assert_array_equal(cnp.evaluate(x), np.arange(12.0))


def _write_to(array: Any) -> Any:
    array[0] = 7
    array[-1] = np.ma.masked
    array -= array.mean()
    array.sort()
    return array


@pytest.mark.parametrize(
    "make",
    [
        lambda xp, x: xp.ma.array(x),
        lambda xp, x: xp.ma.array(x, mask=x > 3),
        lambda xp, x: xp.ma.array(x, mask=x > 3, copy=False),
        lambda xp, x: xp.ma.array(x, mask=x > 3, copy=True),
        lambda xp, x: xp.ma.array(x, dtype="f4", ndmin=2)[0],
        lambda xp, x: xp.ma.asarray(x),
        lambda xp, x: xp.ma.masked_invalid(x, copy=False),
        lambda xp, x: xp.ma.fix_invalid(x, copy=False),
        lambda xp, x: xp.ma.masked_values(x, 2.0, copy=False),
        lambda xp, x: xp.ma.array(x[::-1].reshape(2, 3).T[:, 0], mask=[0, 0, 1]),
    ],
)
def test_a_masked_array_of_a_tensor_is_written_to_and_leaves_the_tensor_alone(make: Any) -> None:
    x = cnp.arange(6.0) + 0
    found, expected = make(cnp, x), make(np, np.arange(6.0))
    assert repr(np.ma.median(found.copy())) == repr(np.ma.median(expected.copy()))
    assert repr(_write_to(found)) == repr(_write_to(expected))
    assert repr(cnp.ma.median(found, overwrite_input=True)) == repr(np.ma.median(expected, overwrite_input=True))
    np.testing.assert_array_equal(cnp.evaluate(x), np.arange(6.0))


def test_memory_that_was_handed_out_keeps_its_values_when_the_tensor_is_written_to() -> None:
    x = cnp.arange(3.0) + 0
    shown, copied = np.asarray(x), np.asarray(x.copy())
    x[0] = 7
    x += 1
    np.testing.assert_array_equal(cnp.evaluate(x), [8, 2, 3])
    np.testing.assert_array_equal(copied, [0, 1, 2])
    np.testing.assert_array_equal(shown, [0, 1, 2])
    with pytest.raises(ValueError, match="WRITEABLE"):
        shown.flags.writeable = True


def test_copies_and_evaluated_results_are_the_callers_to_write_to() -> None:
    x = cnp.arange(3.0) + 0
    for values in (
        cnp.evaluate(x),
        np.array(x),
        x.to_numpy(),
        np.array(x, copy=True),
        np.asarray(x, dtype="f4").copy(),
    ):
        values[0] = 100
    np.testing.assert_array_equal(cnp.evaluate(x), [0, 1, 2])


def test_numpy_says_whether_an_array_shares_the_memory_of_a_tensor() -> None:
    x = cnp.arange(3.0) + 0
    shown = np.asarray(x)
    assert np.may_share_memory(shown, x)
    assert np.shares_memory(x, shown[1:])
    assert not np.shares_memory(x, np.arange(3.0))
    assert not np.may_share_memory(np.array(x), x)


def test_torch_says_what_to_call() -> None:
    with pytest.raises(
        TypeError, match=r"np\.ndarray \(got composit tensor: call np\.asarray or \.to_numpy\(\) first\)"
    ):
        torch.from_numpy(cnp.ones(3))
    assert torch.from_numpy(cnp.ones(3).to_numpy()).sum() == 3


def test_who_asks_for_a_type_of_numba_is_told_what_to_call() -> None:
    # numba asks a value that it does not know for this attribute.
    with pytest.raises(OperandError, match=r"composit tensor.*call np\.asarray or \.to_numpy\(\) first"):
        getattr(cnp.ones(3), "_numba_type_", None)


def test_no_class_of_ours_is_called_by_the_name_of_numpys() -> None:
    x = cnp.ones(3)
    assert "ndarray" not in type(x).__name__
    with pytest.raises(AttributeError, match=r"'composit tensor: .*' object has no attribute 'no_such'"):
        _ = x.no_such
    with pytest.raises(TypeError, match=r"composit scalar: call float\(\), int\(\) or \.item\(\) first"):
        timedelta(seconds=x.sum())
    assert isinstance(x, np.ndarray) is False


@pytest.mark.parametrize("char", "efdg")
def test_c_code_that_wants_a_float_of_pythons_says_what_to_write(char: str) -> None:
    x = (cnp.arange(3, dtype=char) / 1000).sum()
    with pytest.raises(TypeError, match=r"write float\(x\) where a number is taken, as in time\.sleep\(float\(x\)\)"):
        time.sleep(x)
    with pytest.raises(TypeError, match=r"timedelta seconds component: composit scalar: call float\(\)"):
        timedelta(seconds=x)
    assert timedelta(seconds=float(x)) == timedelta(seconds=float(cnp.evaluate(x)))
    with pytest.raises(TypeError, match=r"int\(x\) where an index is"):
        _ = [1, 2][x]
    time.sleep(cnp.arange(3).sum() * 0)
