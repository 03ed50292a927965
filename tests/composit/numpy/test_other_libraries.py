"""matplotlib, pandas and scipy take tensors: each call gives what it gives for numpy's arrays."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pandas
import pytest
from scipy import integrate, interpolate, ndimage, optimize, signal, sparse, spatial, special, stats

import composit.numpy as cnp

Call = Callable[[Any], Any]  # takes a namespace, numpy or composit.numpy


def _x(np: Any) -> Any:
    return np.linspace(0.0, 1.0, 20)


def _y(np: Any) -> Any:
    return np.sin(6 * _x(np))


FRAME = pandas.DataFrame({"a": numpy.arange(5), "b": numpy.linspace(0.0, 1.0, 5)})


def _with_column(np: Any) -> Any:
    frame = FRAME.copy()
    frame["c"] = np.arange(5) * 2.0
    frame.loc[np.array([1, 2]), "b"] = np.float64(7.0) * _x(np).sum()
    return frame


PANDAS: dict[str, Call] = {
    "Series": lambda np: pandas.Series(_y(np), index=np.arange(20)),
    "DataFrame": lambda np: pandas.DataFrame({"x": _x(np), "n": np.arange(20)}),
    "DataFrame of two axes": lambda np: pandas.DataFrame(np.outer(_x(np), _y(np))),
    "Categorical": lambda np: pandas.Series(pandas.Categorical(np.array(["a", "b", "a"]))),
    "dates": lambda np: pandas.Series(pandas.to_datetime(np.arange("2020-01", "2020-02", dtype="datetime64[D]"))),
    "assigned": _with_column,
    "iloc": lambda np: FRAME.iloc[np.array([0, 2])],
    "series + tensor": lambda np: FRAME["a"] + np.arange(5),
    "tensor + series": lambda np: np.arange(5) + FRAME["a"],
    "exp of a series": lambda np: np.exp(FRAME["b"]),
    "isin": lambda np: FRAME["a"].isin(np.array([1, 2])),
    "fillna": lambda np: FRAME["b"].where(FRAME["b"] > 0.3).fillna(_x(np).mean()),
    "apply": lambda np: FRAME["b"].apply(lambda value: float(np.sqrt(value))),
    "cut": lambda np: pandas.Series(pandas.cut(_x(np), np.linspace(-1, 2, 5))),
}


@pytest.mark.parametrize("name", PANDAS)
def test_pandas_takes_tensors(name: str) -> None:
    made, expected = PANDAS[name](cnp), PANDAS[name](numpy)
    assert type(made) is type(expected)
    (pandas.testing.assert_frame_equal if made.ndim == 2 else pandas.testing.assert_series_equal)(made, expected)


SCIPY: dict[str, Call] = {
    "ttest_ind": lambda np: tuple(stats.ttest_ind(_x(np), _y(np))),
    "norm.pdf": lambda np: stats.norm.pdf(_x(np)),
    "linregress": lambda np: tuple(stats.linregress(_x(np), _y(np))),
    "minimize": lambda np: optimize.minimize(lambda v: np.sum((v - 3) ** 2), np.zeros(3)).x,
    "least_squares": lambda np: optimize.least_squares(lambda v: v - np.array([1.0, 2.0]), np.zeros(2)).x,
    "brentq": lambda np: optimize.brentq(lambda v: np.cos(v) - v, 0, 2),
    "curve_fit": lambda np: optimize.curve_fit(lambda x, a, b: a * np.exp(b * x), _x(np), np.exp(_x(np)))[0],
    "odeint": lambda np: integrate.odeint(lambda v, _: np.array([v[1], -v[0]]), np.array([1.0, 0.0]), _x(np)),
    "solve_ivp": lambda np: integrate.solve_ivp(lambda _, v: -v * np.array([1.0, 2.0]), (0, 1), np.ones(2)).y,
    "quad": lambda np: integrate.quad(lambda v: np.exp(-v * v), 0, 1),
    "simpson": lambda np: integrate.simpson(_y(np), x=_x(np)),
    "CubicSpline": lambda np: interpolate.CubicSpline(_x(np), _y(np))(_x(np)[1:] - 0.01),
    "fftconvolve": lambda np: signal.fftconvolve(_x(np), _y(np)),
    "find_peaks": lambda np: signal.find_peaks(_y(np))[0],
    "sparse": lambda np: sparse.coo_matrix((np.ones(3), (np.arange(3), np.arange(3)))).toarray(),
    "sparse product": lambda np: sparse.csr_matrix(numpy.eye(20)) @ _y(np),
    "cdist": lambda np: spatial.distance.cdist(_x(np)[:, None], _y(np)[:, None]),
    "KDTree": lambda np: spatial.KDTree(np.stack([_x(np), _y(np)], axis=1)).query(np.zeros(2)),
    "gaussian_filter": lambda np: ndimage.gaussian_filter(np.outer(_x(np), _y(np)), 1),
    "erf": lambda np: special.erf(_x(np)),
}


@pytest.mark.parametrize("name", SCIPY)
def test_scipy_takes_tensors(name: str) -> None:
    numpy.testing.assert_array_equal(SCIPY[name](cnp), SCIPY[name](numpy))


@pytest.fixture
def pyplot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """matplotlib without a screen, and with its caches where they go with the test."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


PICTURES: dict[str, Callable[[Any, Any], Any]] = {
    "plot": lambda ax, np: ax.plot(_x(np), _y(np), "o-"),
    "scatter": lambda ax, np: ax.scatter(_x(np), _y(np), c=_y(np), s=20 * _x(np)),
    "hist": lambda ax, np: ax.hist(_y(np), bins=10),
    "imshow": lambda ax, np: ax.imshow(np.outer(_x(np), _y(np))),
    "contourf": lambda ax, np: ax.contourf(*np.meshgrid(_x(np), _x(np)), np.outer(_x(np), _y(np))),
    "errorbar": lambda ax, np: ax.errorbar(_x(np), _y(np), yerr=0.1 * np.abs(_y(np))),
    "bar": lambda ax, np: ax.bar(np.arange(20), _y(np)),
    "fill_between": lambda ax, np: ax.fill_between(_x(np), _y(np), 0, where=_y(np) > 0),
    "limits": lambda ax, np: (ax.set_xlim(_x(np).min(), 2 * _x(np).max()), ax.axvline(_x(np).mean())),
    "dates": lambda ax, np: ax.plot(np.arange("2020-01-01", "2020-01-21", dtype="datetime64[D]"), _y(np)),
}


def _pixels(pyplot: Any, name: str, np: Any) -> Any:
    figure, ax = pyplot.subplots(figsize=(2, 2))
    PICTURES[name](ax, np)
    figure.canvas.draw()
    return numpy.asarray(figure.canvas.buffer_rgba())


@pytest.mark.parametrize("name", PICTURES)
def test_matplotlib_draws_tensors_as_it_draws_numpys_arrays(name: str, pyplot: ModuleType) -> None:
    numpy.testing.assert_array_equal(_pixels(pyplot, name, cnp), _pixels(pyplot, name, numpy))
