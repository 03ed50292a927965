"""Every name of the Array API standard 2024.12, called with the arguments that its signature in the standard has.

Reference: https://data-apis.org/array-api/2024.12/API_specification/
"""

from __future__ import annotations

# What the texts below may name: `xp` is the namespace.
ARRAYS = """
x = xp.asarray([[0.5, -1.5, 2.0], [3.0, 0.25, -4.0]])
y = xp.asarray([[1.0, 2.0, 2.0], [-0.5, 0.25, 3.0]])
u = xp.asarray([[0.5, -0.25, 0.125], [0.75, 0.25, -0.5]])
p = xp.asarray([[1.5, 2.0, 4.0], [3.0, 1.25, 9.0]])
v = xp.asarray([3.0, 1.0, 2.0, 1.0])
i = xp.asarray([[3, 1, 2], [1, 5, 0]])
j = xp.asarray([[1, 1, 2], [2, 3, 1]])
k = xp.asarray([2, 0, 1, 2])
b = xp.asarray([[True, False, True], [False, False, True]])
c = xp.asarray([[False, False, True], [True, False, True]])
z = xp.asarray([[1.0 + 2.0j, -1.0j], [0.5, 2.0 - 1.0j]])
m = xp.asarray([[4.0, 1.0], [1.0, 3.0]])
s = xp.asarray([[[4.0, 1.0], [1.0, 3.0]], [[2.0, 0.5], [0.5, 1.0]]])
o = xp.asarray([1.0, 2.0, 3.0])
e = xp.empty((0, 3))
"""


def _rows(names: str, arguments: str) -> list[str]:
    return [f"xp.{name}({arguments})" for name in names.split()]


CONSTANTS = ["xp.e", "xp.inf", "xp.nan", "xp.newaxis", "xp.pi"]

DTYPES = [
    f"xp.zeros(2, dtype=xp.{name})"
    for name in "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()
]

CREATION = [
    "xp.arange(5)",
    "xp.arange(1, stop=7, step=2, dtype=xp.int32, device='cpu')",
    "xp.arange(0.0, stop=1.0, step=0.25)",
    "xp.asarray([1, 2], dtype=xp.float32, device='cpu', copy=True)",
    "xp.asarray(x, copy=None)",
    "xp.asarray(3.5)",
    "xp.zeros_like(xp.empty((2, 3), dtype=xp.float32, device='cpu'))",
    "xp.zeros_like(xp.empty_like(x, dtype=xp.int64, device='cpu'))",
    "xp.eye(3)",
    "xp.eye(2, 4, k=1, dtype=xp.float32, device='cpu')",
    "xp.from_dlpack(x, device='cpu', copy=None)",
    "xp.from_dlpack(x, copy=True)",
    "xp.full((2, 3), 1.5, dtype=xp.float32, device='cpu')",
    "xp.full(3, True)",
    "xp.full_like(x, 2, dtype=xp.int32, device='cpu')",
    "xp.linspace(0.0, 1.0, num=5, dtype=xp.float32, device='cpu', endpoint=False)",
    "xp.linspace(1, 2, 7)",
    "xp.meshgrid(v, o, indexing='ij')",
    "xp.meshgrid(v, o)",
    "xp.ones((2, 1), dtype=xp.int8, device='cpu')",
    "xp.ones_like(x, dtype=xp.bool, device='cpu')",
    "xp.tril(x, k=-1)",
    "xp.triu(s, k=1)",
    "xp.zeros((0, 2), dtype=xp.complex64, device='cpu')",
    "xp.zeros_like(i, dtype=None, device=None)",
]

DATA_TYPES = [
    "xp.astype(x, xp.int64, copy=True, device='cpu')",
    "xp.astype(i, xp.bool)",
    "xp.astype(x, xp.float64, copy=False)",
    "xp.can_cast(xp.int8, xp.float32)",
    "xp.can_cast(x, xp.float32)",
    "xp.finfo(xp.float32).bits",
    "xp.finfo(x.dtype).smallest_normal",
    "xp.finfo(xp.complex64).dtype",
    "xp.iinfo(xp.int16).max",
    "xp.iinfo(i.dtype).min",
    "xp.isdtype(x.dtype, 'real floating')",
    "xp.isdtype(i.dtype, ('signed integer', xp.bool))",
    "xp.isdtype(xp.complex64, 'numeric')",
    "xp.isdtype(xp.uint8, 'integral')",
    "xp.result_type(x, xp.int64)",
    "xp.result_type(xp.float32, xp.complex64)",
    "xp.result_type(i, 1.5)",
]

ELEMENTWISE = [
    *_rows("abs ceil floor negative positive round sign signbit square trunc", "x"),
    *_rows("atan asinh cos cosh exp expm1 isfinite isinf isnan logical_not reciprocal sin sinh tan tanh", "x"),
    *_rows("acos asin atanh", "u"),
    *_rows("acosh log log1p log2 log10 sqrt", "p"),
    *_rows("add atan2 copysign divide equal floor_divide greater greater_equal hypot less less_equal", "x, y"),
    *_rows("logaddexp maximum minimum multiply nextafter not_equal remainder subtract", "x, y"),
    "xp.pow(p, y)",
    "xp.pow(x, 2)",
    "xp.add(2, i)",
    *_rows("bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor", "i, j"),
    *_rows("bitwise_and bitwise_or bitwise_xor logical_and logical_or logical_xor", "b, c"),
    *_rows("bitwise_invert", "i"),
    *_rows("bitwise_invert logical_not", "b"),
    *_rows("abs conj imag real exp log sqrt negative square sign isfinite", "z"),
    "xp.clip(x, min=-1.0, max=2.0)",
    "xp.clip(x, -1, None)",
    "xp.clip(x, u, p)",
    "xp.clip(i, max=2)",
    "xp.real(x)",
    "xp.conj(x)",
    "xp.abs(i)",
    "xp.sign(i)",
]

INDEXING = [
    "xp.take(x, k, axis=1)",
    "xp.take(v, k)",
    "xp.take_along_axis(x, i % 2, axis=0)",
    "xp.take_along_axis(x, j - 1)",
    "x[0, ...]",
    "x[:, 1:, None]",
    "x[b]",
    "x[xp.asarray([1, 0]), xp.asarray([2, 2])]",
    "v[k]",
    "e[:, 0]",
]

LINEAR_ALGEBRA = [
    "xp.matmul(x, x.mT)",
    "xp.matmul(o, x.mT)",
    "xp.matrix_transpose(s)",
    "xp.tensordot(x, y, axes=2)",
    "xp.tensordot(x, y, axes=((0,), (0,)))",
    "xp.tensordot(x, x.mT, axes=1)",
    "xp.vecdot(x, y, axis=-1)",
    "xp.vecdot(x, y, axis=0)",
    "xp.vecdot(z, z)",
    "xp.linalg.cholesky(m, upper=False)",
    "xp.linalg.cholesky(s, upper=True)",
    "xp.linalg.cross(x, y, axis=-1)",
    "xp.linalg.det(s)",
    "xp.linalg.diagonal(s, offset=1)",
    "xp.linalg.eigh(m)",
    "xp.linalg.eigh(s).eigenvalues",
    "xp.linalg.eigvalsh(s)",
    "xp.linalg.inv(s)",
    "xp.linalg.matmul(x, x.mT)",
    "xp.linalg.matrix_norm(s, keepdims=True, ord='fro')",
    "xp.linalg.matrix_norm(s, ord=2)",
    "xp.linalg.matrix_power(s, 3)",
    "xp.linalg.matrix_power(m, -1)",
    "xp.linalg.matrix_rank(s, rtol=1e-6)",
    "xp.linalg.matrix_rank(s)",
    "xp.linalg.matrix_transpose(s)",
    "xp.linalg.outer(v, o)",
    "xp.linalg.pinv(x, rtol=1e-10)",
    "xp.linalg.qr(x, mode='reduced')",
    "xp.linalg.qr(s, mode='complete')",
    "xp.linalg.slogdet(s)",
    "xp.linalg.slogdet(m).logabsdet",
    "xp.linalg.solve(m, xp.asarray([1.0, 2.0]))",
    "xp.linalg.solve(s, s)",
    "xp.linalg.svd(x, full_matrices=False)",
    "xp.linalg.svd(s, full_matrices=True).S",
    "xp.linalg.svdvals(x)",
    "xp.linalg.tensordot(x, y, axes=2)",
    "xp.linalg.trace(s, offset=0, dtype=xp.float32)",
    "xp.linalg.vecdot(x, y, axis=-1)",
    "xp.linalg.vector_norm(x, axis=1, keepdims=True, ord=1)",
    "xp.linalg.vector_norm(x, axis=(0, 1), ord=2)",
    "xp.linalg.vector_norm(x, ord=float('inf'))",
]

MANIPULATION = [
    "xp.broadcast_arrays(x, o)",
    "xp.broadcast_to(o, (2, 3))",
    "xp.concat([x, y], axis=1)",
    "xp.concat([x, y], axis=None)",
    "xp.concat((i, y))",
    "xp.expand_dims(x, axis=1)",
    "xp.expand_dims(x, axis=-1)",
    "xp.flip(x, axis=1)",
    "xp.flip(x, axis=None)",
    "xp.moveaxis(s, 0, -1)",
    "xp.moveaxis(s, (0, 1), (1, 2))",
    "xp.permute_dims(s, (2, 0, 1))",
    "xp.repeat(x, 2, axis=1)",
    "xp.repeat(v, k)",
    "xp.reshape(x, (3, 2), copy=None)",
    "xp.reshape(x, (-1,), copy=True)",
    "xp.roll(x, (1, 2), axis=(0, 1))",
    "xp.roll(x, 2, axis=None)",
    "xp.squeeze(xp.expand_dims(x, axis=0), axis=0)",
    "xp.stack([x, y], axis=1)",
    "xp.tile(x, (2, 1))",
    "xp.unstack(x, axis=1)",
    "xp.unstack(s)",
]

SEARCHING = [
    "xp.argmax(x, axis=1, keepdims=True)",
    "xp.argmax(x)",
    "xp.argmin(x, axis=0, keepdims=False)",
    "xp.count_nonzero(i, axis=1, keepdims=True)",
    "xp.count_nonzero(b)",
    "xp.count_nonzero(x, axis=(0, 1))",
    "xp.nonzero(b)",
    "xp.nonzero(i)",
    "xp.searchsorted(xp.sort(v), o, side='right', sorter=None)",
    "xp.searchsorted(v, o, sorter=xp.argsort(v))",
    "xp.where(b, x, y)",
    "xp.where(b, x, 0.0)",
]

SETS = [
    "xp.unique_all(v)",
    "xp.unique_all(v).inverse_indices",
    "xp.unique_counts(k)",
    "xp.unique_inverse(x)",
    "xp.unique_values(i)",
]

SORTING = [
    "xp.argsort(v, axis=-1, stable=True)",
    "xp.argsort(x, axis=0)",
    "xp.sort(x, axis=0, stable=True)",
    "xp.sort(x)",
]

STATISTICS = [
    "xp.cumulative_sum(x, axis=1, dtype=xp.float32, include_initial=True)",
    "xp.cumulative_sum(v)",
    "xp.cumulative_prod(x, axis=0, dtype=None, include_initial=False)",
    "xp.cumulative_prod(v, include_initial=True)",
    *[f"xp.{name}(x, axis=1, keepdims=True)" for name in ("max", "mean", "min")],
    *[f"xp.{name}(i, axis=(0, 1), keepdims=False)" for name in ("max", "min")],
    "xp.prod(i, axis=0, dtype=xp.float64, keepdims=True)",
    "xp.prod(x)",
    "xp.sum(x, axis=(0, 1), dtype=xp.float32, keepdims=True)",
    "xp.sum(i)",
    "xp.sum(e, axis=0)",
    "xp.std(x, axis=0, correction=1.0, keepdims=True)",
    "xp.std(x)",
    "xp.var(x, axis=1, correction=0.0, keepdims=False)",
    "xp.var(x, correction=1)",
]

UTILITIES = [
    "xp.all(b, axis=0, keepdims=True)",
    "xp.all(x)",
    "xp.any(b, axis=(0, 1), keepdims=False)",
    "xp.any(e, axis=0)",
    "xp.diff(x, axis=0, n=1)",
    "xp.diff(x, axis=-1, n=2, prepend=xp.zeros((2, 1)), append=xp.ones((2, 2)))",
    "xp.diff(v)",
]

FOURIER = [
    "xp.fft.fft(z, n=4, axis=0, norm='ortho')",
    "xp.fft.fft(x)",
    "xp.fft.ifft(z, n=None, axis=-1, norm='backward')",
    "xp.fft.fftn(z, s=(2, 3), axes=(0, 1), norm='forward')",
    "xp.fft.fftn(z)",
    "xp.fft.ifftn(z, s=(2, 2), axes=(0, 1), norm='ortho')",
    "xp.fft.rfft(x, n=4, axis=1, norm='backward')",
    "xp.fft.irfft(z, n=5, axis=0, norm='ortho')",
    "xp.fft.rfftn(x, s=(2, 3), axes=(0, 1), norm='backward')",
    "xp.fft.irfftn(z, s=(2, 2), axes=(0, 1), norm='backward')",
    "xp.fft.hfft(z, n=4, axis=-1, norm='backward')",
    "xp.fft.ihfft(x, n=3, axis=-1, norm='forward')",
    "xp.fft.fftfreq(7, d=0.5, device='cpu')",
    "xp.fft.rfftfreq(6, d=2.0, device='cpu')",
    "xp.fft.fftshift(x, axes=1)",
    "xp.fft.fftshift(x)",
    "xp.fft.ifftshift(x, axes=(0, 1))",
]

ARRAY_OBJECT = [
    *[f"x.{name}" for name in ("dtype", "device", "mT", "ndim", "shape", "size", "T")],
    *[f"x {operator} y" for operator in ("+", "-", "*", "/", "//", "%", "==", "!=", "<", "<=", ">", ">=")],
    *[f"i {operator} j" for operator in ("&", "|", "^", "<<", ">>", "**")],
    *[f"2 {operator} j" for operator in ("+", "-", "*", "/", "//", "&", "|", "^", "<<", ">>", "**")],
    "x @ y.T",
    "abs(x)",
    "-x",
    "+x",
    "~b",
    "bool(xp.asarray(1.5))",
    "int(xp.asarray(3))",
    "float(xp.asarray(2.5))",
    "complex(xp.asarray(2.5))",
    "[10, 20, 30][xp.asarray(2)]",
    "x.__dlpack_device__()",
    "x.to_device('cpu', stream=None)",
    "x.to_device(x.device)",
]

INFORMATION = [
    "xp.__array_namespace_info__().capabilities()",
    "xp.__array_namespace_info__().default_device()",
    "xp.__array_namespace_info__().default_dtypes(device=None)",
    "xp.__array_namespace_info__().devices()",
    "xp.__array_namespace_info__().dtypes(device='cpu', kind=None)",
    "xp.__array_namespace_info__().dtypes(kind=('real floating', 'bool'))",
]

WRITES = [
    "x[0, 1] = 7.0",
    "x[b] = 0",
    "x[..., 1] = xp.asarray([1.0, 2.0])",
    "x[1, ...] = o",
    *[f"x {operator} y" for operator in ("+=", "-=", "*=", "/=", "//=", "%=", "**=")],
    *[f"i {operator} j" for operator in ("&=", "|=", "^=", "<<=", ">>=")],
    "m @= m",
]

# What numpy refuses, as the standard or as its own choice: the error is the same.
ERRORS = [
    "x.__array_namespace__(api_version='1999.12')",
    "x.to_device('gpu')",
    "xp.zeros(3, device='gpu')",
    "xp.asarray([1.0], device='gpu')",
    "xp.astype(x, xp.int8, device='gpu')",
    "xp.from_dlpack(x, device='gpu')",
    "xp.__array_namespace_info__().dtypes(kind='foo')",
    "xp.__array_namespace_info__().default_dtypes(device='gpu')",
    "x.__dlpack__(stream=1)",
    "xp.expand_dims(x, axis=5)",
    "xp.matmul(x, y)",
    "xp.concat([x, v])",
    "xp.squeeze(x, axis=0)",
    "xp.argmax(e)",
    "bool(x)",
    "int(x)",
    "[1, 2][xp.asarray(1.0)]",
    "xp.cumulative_sum(x)",
    "xp.linalg.cholesky(x)",
    "xp.linalg.cross(v, v)",
]

EXPRESSIONS = [
    *CONSTANTS,
    *DTYPES,
    *CREATION,
    *DATA_TYPES,
    *ELEMENTWISE,
    *INDEXING,
    *LINEAR_ALGEBRA,
    *MANIPULATION,
    *SEARCHING,
    *SETS,
    *SORTING,
    *STATISTICS,
    *UTILITIES,
    *FOURIER,
    *ARRAY_OBJECT,
    *INFORMATION,
]

# The standard's own list of functions, so that no row above is forgotten.
FUNCTIONS = """
arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril triu zeros zeros_like
astype can_cast finfo iinfo isdtype result_type
abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert bitwise_or
bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide greater
greater_equal hypot imag isfinite isinf isnan less less_equal log log1p log2 log10 logaddexp logical_and logical_not
logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow real reciprocal remainder round
sign signbit sin sinh square sqrt subtract tan tanh trunc
take take_along_axis matmul matrix_transpose tensordot vecdot
broadcast_arrays broadcast_to concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze stack tile unstack
argmax argmin count_nonzero nonzero searchsorted where unique_all unique_counts unique_inverse unique_values argsort sort
cumulative_prod cumulative_sum max mean min prod std sum var all any diff
linalg.cholesky linalg.cross linalg.det linalg.diagonal linalg.eigh linalg.eigvalsh linalg.inv linalg.matmul
linalg.matrix_norm linalg.matrix_power linalg.matrix_rank linalg.matrix_transpose linalg.outer linalg.pinv linalg.qr
linalg.slogdet linalg.solve linalg.svd linalg.svdvals linalg.tensordot linalg.trace linalg.vecdot linalg.vector_norm
fft.fft fft.ifft fft.fftn fft.ifftn fft.rfft fft.irfft fft.rfftn fft.irfftn fft.hfft fft.ihfft fft.fftfreq fft.rfftfreq
fft.fftshift fft.ifftshift __array_namespace_info__
""".split()
