"""The error function on arrays, with numpy only.

Source: the rational approximations of FreeBSD's msun `s_erf.c` (Sun Microsystems, 1993), with an error below 1 ulp.
Here numpy's exp adds its own error; the tests hold 2 ulp in float64. float32 and float16 use one rational function,
computed in float64 and rounded once; its coefficients are our own, fitted to minimise the largest error. Weakness:
longdouble is refused, since the coefficients have double precision only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from composit.errors import DtypeError
from composit.operation import Array, Dtype

# Below 0.84375: erf(x) = x + x * P(x*x) / Q(x*x). Coefficients begin with the lowest power.
_SMALL_P = (
    1.28379167095512558561e-01,
    -3.25042107247001499370e-01,
    -2.84817495755985104766e-02,
    -5.77027029648944159157e-03,
    -2.37630166566501626084e-05,
)
_SMALL_Q = (
    1.0,
    3.97917223959155352819e-01,
    6.50222499887672944485e-02,
    5.08130628187576562776e-03,
    1.32494738004321644526e-04,
    -3.96022827877536812320e-06,
)
# Below 1.25: erf(x) = c + P(|x| - 1) / Q(|x| - 1), with c = erf(1) in single precision.
_NEAR_ONE = 8.45062911510467529297e-01
_MIDDLE_P = (
    -2.36211856075265944077e-03,
    4.14856118683748331666e-01,
    -3.72207876035701323847e-01,
    3.18346619901161753674e-01,
    -1.10894694282396677476e-01,
    3.54783043256182359371e-02,
    -2.16637559486879084300e-03,
)
_MIDDLE_Q = (
    1.0,
    1.06420880400844228286e-01,
    5.40397917702171048937e-01,
    7.18286544141962662868e-02,
    1.26171219808761642112e-01,
    1.36370839120290507362e-02,
    1.19844998467991074170e-02,
)
# Above 1.25: erf(x) = 1 - exp(-x*x - 0.5625 + P(1 / x*x) / Q(1 / x*x)) / x; two pairs P, Q, below and above 1 / 0.35.
_LARGE_P = (
    -9.86494403484714822705e-03,
    -6.93858572707181764372e-01,
    -1.05586262253232909814e01,
    -6.23753324503260060396e01,
    -1.62396669462573470355e02,
    -1.84605092906711035994e02,
    -8.12874355063065934246e01,
    -9.81432934416914548592e00,
)
_LARGE_Q = (
    1.0,
    1.96512716674392571292e01,
    1.37657754143519042600e02,
    4.34565877475229228821e02,
    6.45387271733267880336e02,
    4.29008140027567833386e02,
    1.08635005541779435134e02,
    6.57024977031928170135e00,
    -6.04244152148580987438e-02,
)
_LARGEST_P = (
    -9.86494292470009928597e-03,
    -7.99283237680523006574e-01,
    -1.77579549177547519889e01,
    -1.60636384855821916062e02,
    -6.37566443368389627722e02,
    -1.02509513161107724954e03,
    -4.83519191608651397019e02,
)
_LARGEST_Q = (
    1.0,
    3.03380607434824582924e01,
    3.25792512996573918826e02,
    1.53672958608443695994e03,
    3.19985821950859553908e03,
    2.55305040643316442583e03,
    4.74528541206955367215e02,
    -2.24409524465858183362e01,
)

# For float32 and float16: erf(x) = x * P(x*x) / Q(x*x) up to 3.95; relative error 2.4e-9, or 0.04 ulp of float32.
_NARROW_P = (
    1.1283791696944219,
    0.19261716226379075,
    0.055640911072449055,
    0.004205965520207584,
    0.0004076202973527546,
    6.657324625971202e-06,
)
_NARROW_Q = (
    1.0,
    0.5040359405398023,
    0.11732185723711946,
    0.01624218007797344,
    0.0014122889496450543,
    7.160188167171487e-05,
    2.529134329093486e-07,
)
_NARROW_ONE_FROM = 3.95  # 1 - erf(3.95) = 2.3e-8 is below half an ulp of 1 in float32

_ONE_FROM = 6.0  # 1 - erf(6) is below half an ulp of 1
_CHUNK = 16384  # elements; the temporaries of one chunk fit in the second-level cache


def resolve_erf(dtypes: tuple[Any, ...], **options: Any) -> tuple[Dtype, ...]:
    """Return (dtype, dtype) of the loop: a floating dtype, as for numpy's real functions of one operand."""
    resolved = np.cbrt.resolve_dtypes(dtypes, **options)
    if resolved[0].itemsize > 8:
        raise DtypeError(
            f"erf: the operand has dtype {resolved[0]}; expected float16, float32 or float64, for which its "
            "coefficients are exact enough; convert the operand with astype(np.float64)"
        )
    return tuple(resolved)


def erf_of_arrays(x: Any, *, dtype: Dtype | None = None, casting: str = "same_kind") -> Array:
    """Return the error function of each element: within 2 ulp, odd, 1 at infinity, NaN at NaN."""
    operand_dtype, result_dtype = resolve_erf((x if isinstance(x, type) else np.asarray(x).dtype, None))
    result_dtype = dtype or result_dtype
    of_chunk = _erf_of_chunk if max(operand_dtype.itemsize, result_dtype.itemsize) == 8 else _narrow_erf_of_chunk
    flat = np.ravel(np.asarray(x))
    result = np.empty(flat.shape, result_dtype)
    for start in range(0, flat.size, _CHUNK):
        result[start : start + _CHUNK] = of_chunk(flat[start : start + _CHUNK].astype(np.float64))
    result = result.reshape(np.shape(x))
    return result if result.ndim else result[()]


def _narrow_erf_of_chunk(x: Array) -> Array:
    np.clip(x, -_NARROW_ONE_FROM, _NARROW_ONE_FROM, out=x)
    squared = x * x
    return x * (_polynomial(_NARROW_P, squared) / _polynomial(_NARROW_Q, squared))


def _erf_of_chunk(x: Array) -> Array:
    magnitude = np.abs(x)
    result = np.where(np.isnan(x), x, 1.0)
    for lower, upper, function in _PIECES:
        chosen = np.flatnonzero((magnitude >= lower) & (magnitude < upper))
        if chosen.size:
            result[chosen] = function(magnitude[chosen])
    return np.copysign(result, x)


def _small(x: Array) -> Array:
    squared = x * x
    return x + x * (_polynomial(_SMALL_P, squared) / _polynomial(_SMALL_Q, squared))


def _middle(x: Array) -> Array:
    distance = x - 1.0
    return _NEAR_ONE + _polynomial(_MIDDLE_P, distance) / _polynomial(_MIDDLE_Q, distance)


def _large(x: Array) -> Array:
    return _tail(x, _LARGE_P, _LARGE_Q)


def _largest(x: Array) -> Array:
    return _tail(x, _LARGEST_P, _LARGEST_Q)


def _tail(x: Array, numerator: tuple[float, ...], denominator: tuple[float, ...]) -> Array:
    inverse = 1.0 / (x * x)
    ratio = _polynomial(numerator, inverse) / _polynomial(denominator, inverse)
    # x*x loses digits in exp(-x*x), so split x = z + rest such that z*z is exact.
    z = (x.view(np.uint64) & np.uint64(0xFFFFFFFF00000000)).view(np.float64)
    return 1.0 - np.exp(-z * z - 0.5625) * np.exp((z - x) * (z + x) + ratio) / x


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    result = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result *= x
        result += coefficient
    return result


_PIECES = (
    (0.0, 0.84375, _small),
    (0.84375, 1.25, _middle),
    (1.25, 1 / 0.35, _large),
    (1 / 0.35, _ONE_FROM, _largest),
)
