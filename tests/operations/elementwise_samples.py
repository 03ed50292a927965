"""Rows for every elementwise function: each in all shapes and dtypes that its operands can meet in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.numpy.elementwise.table import ELEMENTWISE_FUNCTIONS
from tests.operations.sample import Maker, Sample, between, given, integers, normal, off_integers

# How to make one operand of a shape and dtype.
Domain = Callable[..., Maker]


def positive(*shape: int, dtype: Any = np.float64) -> Maker:
    return between(0.5, 3.0, *shape, dtype=dtype)


def inside(*shape: int, dtype: Any = np.float64) -> Maker:
    return between(-0.9, 0.9, *shape, dtype=dtype)


def above_one(*shape: int, dtype: Any = np.float64) -> Maker:
    return between(1.2, 3.0, *shape, dtype=dtype)


def small_integers(*shape: int, dtype: Any = np.int64) -> Maker:
    return integers(1, 7, *shape, dtype=np.int64 if np.dtype(dtype).kind == "f" else dtype)


def dates(*shape: int, dtype: Any = None) -> Maker:
    return given(np.full(shape, "2020-01-01", dtype="datetime64[D]"))


# Where a function is not defined, or not smooth, for any number.
DOMAINS: dict[str, tuple[Domain, ...]] = {
    "floor_divide": (off_integers, positive),
    "remainder": (off_integers, positive),
    "fmod": (off_integers, positive),
    "divmod": (off_integers, positive),
    "power": (positive, normal),
    "float_power": (positive, normal),
    "divide": (normal, positive),
    "reciprocal": (positive,),
    "sqrt": (positive,),
    "log": (positive,),
    "log2": (positive,),
    "log10": (positive,),
    "log1p": (positive,),
    "arcsin": (inside,),
    "arccos": (inside,),
    "arctanh": (inside,),
    "arccosh": (above_one,),
    "floor": (off_integers,),
    "ceil": (off_integers,),
    "trunc": (off_integers,),
    "rint": (off_integers,),
    "modf": (off_integers,),
    "gcd": (small_integers, small_integers),
    "lcm": (small_integers, small_integers),
    "bitwise_and": (small_integers, small_integers),
    "bitwise_or": (small_integers, small_integers),
    "bitwise_xor": (small_integers, small_integers),
    "invert": (small_integers,),
    "left_shift": (small_integers, small_integers),
    "right_shift": (small_integers, small_integers),
    "bitwise_count": (small_integers,),
    "ldexp": (normal, small_integers),
    "isnat": (dates,),
}

SHAPES_OF_ONE: tuple[tuple[tuple[int, ...], ...], ...] = (((3, 4),), ((),), ((0, 3),))
SHAPES_OF_TWO: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((4,), (3, 4)),
    ((3, 1), (1, 4)),
    ((), (2, 3)),
    ((), ()),
    ((0, 4), (4,)),
)
SHAPES_OF_THREE: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((3, 4), (3, 4), (3, 4)),
    ((3, 4), (), ()),
    ((4,), (3, 1), (4,)),
    ((), (), ()),
    ((0, 4), (4,), ()),
)
SHAPES = {1: SHAPES_OF_ONE, 2: SHAPES_OF_TWO, 3: SHAPES_OF_THREE}
MIXED_DTYPES = ((np.float32, np.float64), (np.float32, np.int8), (np.int16, np.float16), (np.uint8, np.int64))
SINGLE_DTYPES = (np.float32, np.float16, np.int32, np.uint8, np.bool, np.complex64)


def _has_rule(function: ElementwiseFunction) -> bool:
    return any(not isinstance(rule, str) for rule in function.derivatives)


def _takes(function: ElementwiseFunction, dtypes: tuple[Any, ...]) -> bool:
    try:
        resolved = function._resolve((*map(np.dtype, dtypes), *[None] * function.nout))
    except TypeError:
        return False
    # numpy's erf is ours, and gcd and the like are tried with integers only.
    return all(np.can_cast(given, taken, "same_kind") for given, taken in zip(dtypes, resolved, strict=False))


def _compute(function: ElementwiseFunction) -> Callable[..., Any]:
    ours = {"erf": "erf", "real": "real_part", "imag": "imaginary_part"}
    if function.name in ours:
        # The row itself: numpy's functions of these names return views.
        return lambda xp, *operands: function(*operands)
    return lambda xp, *operands: getattr(xp, function.name)(*operands)


def _erf(x: Any) -> Any:
    exact = np.vectorize(math.erf, otypes=[np.float64])(x)
    dtype = np.cbrt.resolve_dtypes((np.asarray(x).dtype, None))[1]
    return np.asarray(exact).astype(dtype)[()]


REFERENCES: dict[str, Callable[..., Any]] = {
    "erf": _erf,
    "real": lambda x: np.array(np.real(x))[()],
    "imag": lambda x: np.array(np.imag(x))[()],
}


def _rows(function: ElementwiseFunction) -> Iterator[Sample]:
    domains = DOMAINS.get(function.name, (normal,) * function.nin)
    # erf is within 2 ulp, and math.erf, its reference, within 1; half floats are rounded from there.
    row = {"reference": REFERENCES.get(function.name), "rtol": 1e-3 if function.name == "erf" else 0.0}
    compute = _compute(function)

    def sample(words: str, makers: tuple[Maker, ...], differentiable: bool = False) -> Sample:
        is_half = words.endswith("float16")
        tolerance = {**row, "rtol": row["rtol"] if is_half else min(row["rtol"], 5e-7 if "32" in words else 5e-16)}
        return Sample(f"elementwise.{function.name} {words}", compute, makers, differentiable, **tolerance)

    for shapes in SHAPES[function.nin]:
        makers = tuple(domain(*shape) for domain, shape in zip(domains, shapes, strict=True))
        yield sample(f"of {' '.join(map(str, shapes))}", makers, _has_rule(function))
    if function.name == "isnat":
        return
    combinations = [(dtype,) * function.nin for dtype in SINGLE_DTYPES] + (
        list(MIXED_DTYPES) if function.nin == 2 else []
    )
    for dtypes in combinations:
        if not _takes(function, dtypes):
            continue
        makers = tuple(
            (domain if np.dtype(dtype).kind in "fc" else small_integers)(2, 3, dtype=dtype)
            for domain, dtype in zip(domains, dtypes, strict=True)
        )
        yield sample(f"of {' '.join(np.dtype(dtype).name for dtype in dtypes)}", makers)
    if function.nin == 2:
        is_integral = domains[0] is small_integers
        yield sample("with a Python scalar", (domains[0](2, 3), given(2)), False)
        yield sample(
            "of float32 with a Python scalar" if not is_integral else "of int8 with a Python scalar",
            (domains[0](2, 3, dtype=np.int8 if is_integral else np.float32), given(2)),
        )
        if function.name != "ldexp":
            yield sample("with a Python scalar first", (given(3 if is_integral else 2.5), domains[1](2, 3)))


COMPOSITES = (
    Sample(
        "elementwise.where of three shapes",
        lambda xp, c, x, y: xp.where(c, x, y),
        (given(np.array([[True], [False]])), normal(2, 3), normal(3)),
        True,
    ),
    Sample(
        "elementwise.where with a Python scalar", lambda xp, x: xp.where(x > 0, x, 0), (normal(2, 3, dtype=np.float32),)
    ),
    Sample(
        "elementwise.where of mixed dtypes",
        lambda xp, c, x, y: xp.where(c, x, y),
        (given(np.array(True)), normal(3, dtype=np.float32), integers(0, 3, 3)),
    ),
    Sample(
        "elementwise.where of nothing",
        lambda xp, c, x, y: xp.where(c, x, y),
        (given(np.zeros((0, 3), bool)), normal(3), normal(1, 3)),
    ),
    Sample("elementwise.clip to an interval", lambda xp, x: xp.clip(x, -0.5, 0.5), (normal(4, 5),), True),
    Sample("elementwise.clip by tensors", lambda xp, x, low: xp.clip(x, low, None), (normal(4, 5), normal(5)), True),
    Sample("elementwise.clip of int8", lambda xp, x: xp.clip(x, -300, 2), (integers(-9, 9, 4, dtype=np.int8),)),
    Sample("elementwise.clip by keywords", lambda xp, x: xp.clip(x, max=0.5), (normal(4, dtype=np.float32),)),
    Sample("elementwise.round", lambda xp, x: xp.round(x, 2), (normal(4, 5),)),
    Sample("elementwise.round to tens", lambda xp, x: xp.round(x, -1), (between(-99, 99, 4, 5),)),
    Sample(
        "elementwise.nan_to_num",
        lambda xp, x: xp.nan_to_num(x),
        (given(np.array([np.nan, np.inf, -np.inf, 1.0], np.float32)),),
    ),
    Sample("elementwise.isclose", lambda xp, x, y: xp.isclose(x, y), (normal(4), normal(4))),
    Sample(
        "elementwise.isclose with NaN",
        lambda xp, x: xp.isclose(x, x, equal_nan=True),
        (given(np.array([np.nan, 1.0])),),
    ),
    Sample("elementwise.angle", lambda xp, x, y: xp.angle(x + 1j * y), (normal(4), normal(4)), False),
    Sample("elementwise.sinc", lambda xp, x: xp.sinc(x), (normal(4, 5),), True, rtol=1e-15),
    Sample("elementwise.fix", lambda xp, x: xp.fix(x), (off_integers(4),), True),
    Sample("elementwise.astype to float32", lambda xp, x: xp.astype(x, np.float32), (normal(2, 3),)),
    Sample("elementwise.astype to int", lambda xp, x: xp.astype(x, np.int32), (off_integers(2, 3),)),
    Sample(
        "elementwise.astype to float64", lambda xp, x: xp.astype(x, np.float64), (integers(0, 5, 3, dtype=np.int8),)
    ),
    Sample(
        "elementwise.dtype argument",
        lambda xp, x, y: xp.add(x, y, dtype=np.float64),
        (normal(3, dtype=np.float32), normal(3, dtype=np.float32)),
    ),
    Sample("elementwise.square and cube", lambda xp, x: x**2 + x**3 + x**0.5 + x**-1, (positive(3, 4),), True),
)

ELEMENTWISE = (*(row for function in ELEMENTWISE_FUNCTIONS for row in _rows(function)), *COMPOSITES)
