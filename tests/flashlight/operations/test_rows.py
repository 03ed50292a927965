"""Each torch operation of the table, against torch itself: same value, same shape, same dtype."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import composit as cnp
import flashlight
import mosaic

X = torch.linspace(-2.0, 2.0, 24).reshape(4, 6)
Y = torch.linspace(0.5, 3.0, 24).reshape(4, 6)
CUBE = torch.linspace(-1.0, 1.0, 60).reshape(3, 4, 5)
INTEGERS = torch.arange(1, 25).reshape(4, 6)
MASK = (INTEGERS % 3 == 0).contiguous()
ROWS = torch.tensor([2, 0, 3])

FUNCTIONS: dict[str, Callable[[], object]] = {
    "arithmetic": lambda: (X + Y) * 2 - Y / 3 + 1,
    "alpha": lambda: torch.add(X, Y, alpha=2) - torch.sub(X, Y, alpha=3) + torch.rsub(X, 2),
    "int over int": lambda: INTEGERS / 4,
    "int floor": lambda: INTEGERS // 4,
    "floor and trunc": lambda: torch.div(X, Y, rounding_mode="floor") + torch.div(X, Y, rounding_mode="trunc"),
    "int times float scalar": lambda: INTEGERS * 0.5,
    "bool plus int": lambda: MASK + 3,
    "weak rank 0": lambda: X * torch.tensor(2.0, dtype=torch.float64),
    "float32 with float64": lambda: X + Y.double(),
    "int32 with int64": lambda: INTEGERS.int() + INTEGERS,
    "half": lambda: X.half() * 2,
    "powers": lambda: X**2 + Y**0.5 + Y**-1 + Y**1.5 + 2**X,
    "int power": lambda: INTEGERS**2,
    "square roots": lambda: torch.rsqrt(Y) + torch.sqrt(Y) + torch.reciprocal(Y),
    "sqrt of int": lambda: torch.sqrt(INTEGERS),
    "trigonometry": lambda: (
        X.sin() + X.cos() + X.tan() + X.atan() + (X / 3).asin() + (X / 3).acos() + torch.atan2(X, Y)
    ),
    "hyperbolic": lambda: X.sinh() + X.cosh() + X.tanh() + X.asinh() + (1 + Y).acosh() + (X / 3).atanh(),
    "exponentials": lambda: X.exp() + X.exp2() + X.expm1() + Y.log() + Y.log2() + Y.log10() + Y.log1p(),
    "rounding": lambda: X.floor() + X.ceil() + X.round() + X.trunc() + X.frac() + X.sign() + X.abs(),
    "comparisons": lambda: [X < 0, X <= Y, X > 0.5, X >= Y, X == Y, X != 0, INTEGERS > 2.5],
    "logic": lambda: [MASK & (X > 0), MASK | (X > 0), MASK ^ (X > 0), ~MASK, torch.logical_not(X)],
    "bits": lambda: [INTEGERS & 3, INTEGERS | 8, INTEGERS ^ 5, ~INTEGERS, INTEGERS << 1, INTEGERS >> 1],
    "tests": lambda: [(X / 0).isnan(), (X / 0).isinf(), X.isfinite()],
    "clamp": lambda: [X.clamp(-1, 1), X.clamp(min=0), X.clamp(max=0.5), X.clamp(min=Y - 2), INTEGERS.clamp(3, 7)],
    "extrema": lambda: [torch.maximum(X, Y), torch.minimum(X, Y), torch.fmax(X, Y), torch.fmin(X, Y)],
    "remainders": lambda: [X % 0.7, torch.fmod(X, 0.7), INTEGERS % 5],
    "where": lambda: [
        torch.where(MASK, X, Y),
        torch.where(MASK, X, 0.0),
        torch.where(MASK, 1, 0),
        torch.where(X > 0, 1.0, X),
    ],
    "masked fill": lambda: [
        X.masked_fill(MASK, -1e9),
        X.masked_fill(MASK, float("-inf")),
        INTEGERS.masked_fill(MASK, 0),
    ],
    "lerp": lambda: torch.lerp(X, Y, 0.3) + torch.addcmul(X, X, Y, value=2) + torch.addcdiv(X, X, Y),
    "nan to num": lambda: torch.nan_to_num(X / torch.zeros(6)),
    "erf": lambda: X.erf() + X.erfc(),
    "sums": lambda: [
        X.sum(),
        X.sum(0),
        X.sum((0, 1)),
        X.sum(-1, keepdim=True),
        INTEGERS.sum(),
        MASK.sum(),
        MASK.sum(1),
    ],
    "sum in float64": lambda: X.sum(0, dtype=torch.float64),
    "means": lambda: [X.mean(), X.mean(1), X.mean((0, 1), keepdim=True)],
    "products": lambda: [Y.prod(), Y.prod(1), INTEGERS.prod(0)],
    "all and any": lambda: [MASK.all(), MASK.any(), MASK.all(1), MASK.any(0, keepdim=True), INTEGERS.all()],
    "max and min": lambda: [X.max(), X.min(), *X.max(1), *X.min(0), X.amax((0, 1)), X.amin(0), X.argmax(), X.argmin(1)],
    "variances": lambda: [X.var(), X.var(1), X.std(0), X.var(1, unbiased=False), *torch.var_mean(X, 1)],
    "running sums": lambda: [X.cumsum(0), X.cumprod(1), INTEGERS.cumsum(1), MASK.cumsum(0)],
    "logsumexp": lambda: [torch.logsumexp(X, 1), torch.logsumexp(X, (0, 1), keepdim=True)],
    "norms": lambda: [X.norm(), X.norm(dim=1), torch.linalg.vector_norm(X, 1), torch.linalg.vector_norm(X, 3, dim=0)],
    "normalize": lambda: F.normalize(X, p=2, dim=1),
    "products of matrices": lambda: [X @ Y.T, torch.mm(X, Y.t()), torch.bmm(CUBE, CUBE.mT), X @ Y[0], Y[0] @ Y[1]],
    "addmm": lambda: [torch.addmm(X[:, :4], X, Y.t()), torch.addmm(X[:, :4], X, Y.t(), beta=0.5, alpha=2)],
    "baddbmm": lambda: torch.baddbmm(CUBE[:, :, :4], CUBE, CUBE.mT, beta=0),
    "einsum": lambda: torch.einsum("ij,kj->ik", X, Y),
    "outer": lambda: torch.outer(X[0], Y[1]),
    "views": lambda: [
        X.view(24),
        X.view(2, -1),
        X.reshape(6, 4),
        X.T,
        X.t(),
        CUBE.transpose(0, 2),
        CUBE.permute(2, 0, 1),
        X.flatten(),
    ],
    "unflatten": lambda: X.unflatten(1, (2, 3)),
    "expand": lambda: [X[:, :1].expand(4, 6), X[0].expand(3, -1), X[0].expand_as(X), torch.broadcast_to(X[0], (2, 6))],
    "squeeze": lambda: [X.unsqueeze(1), X[None, :, None].squeeze(), X[None].squeeze(0), X[None].squeeze(1)],
    "slices": lambda: [X[1], X[:, 2], X[1:3], X[:, ::2], X[-1], X[1, 2], X[..., 3], X.narrow(1, 2, 3), X[5:]],
    "splits": lambda: [*X.split(4, 1), *X.chunk(3, 1), *X.split([1, 2, 3], 1), *X.unbind(0), *X.tensor_split(4, 1)],
    "joins": lambda: [torch.cat([X, Y]), torch.cat([X, Y], 1), torch.stack([X, Y], 1), torch.cat([X, INTEGERS])],
    "repeats": lambda: [X.repeat(2, 3), X[0].repeat(2, 2), X.repeat_interleave(2, 0), X.tile((1, 2))],
    "flips": lambda: [X.flip(0), X.flip((0, 1)), X.roll(1, 0), X.roll((1, -2), (0, 1)), X.roll(3)],
    "pad": lambda: [F.pad(X, (1, 2)), F.pad(X, (1, 0, 2, 1), value=7.0)],
    "triangles": lambda: [X.tril(), X.triu(1), X.tril(-1), MASK.triu()],
    "diagonals": lambda: [X.diagonal(), X.diagonal(1), X.diagonal(-2), CUBE.diagonal(dim1=0, dim2=2)],
    "conversions": lambda: [
        X.double(),
        X.to(torch.int64),
        X.bool(),
        INTEGERS.float(),
        X.type_as(INTEGERS),
        X.half().float(),
    ],
    "copies": lambda: [X.clone(), X.detach(), X.contiguous(), X.t().contiguous()],
    "creation": lambda: [
        X + torch.zeros(6) + torch.ones(4, 1) + torch.full((6,), 2.5),
        torch.arange(5) * 2,
        torch.arange(1, 2, 0.25) + 0,
        torch.eye(3) + 1,
        torch.linspace(0, 1, 5) + 1,
        X + torch.tensor(1.5),
        X[0] + torch.tensor([1.0, 2, 3, 4, 5, 6]),
        torch.zeros_like(X) + torch.ones_like(INTEGERS) + X.new_ones(6) + X.new_zeros(4, 1) + X.new_full((6,), 3),
        torch.full_like(X, 2.0) + torch.scalar_tensor(3.0),
    ],
    "index": lambda: [
        X[ROWS],
        X[:, ROWS],
        X[ROWS, ROWS],
        X.index_select(1, ROWS),
        X[ROWS[:, None], ROWS],
        X.take_along_dim(INTEGERS % 4, 0),
    ],
    "gather": lambda: [X.gather(1, INTEGERS % 6), X.gather(0, INTEGERS[:2] % 4)],
    "embedding": lambda: F.embedding(INTEGERS % 4, X),
    "index by mask": lambda: [X[MASK], X[MASK[:, 0]], X[:, MASK[0]]],
    "scatter": lambda: [
        X.scatter(1, INTEGERS[:, :2] % 6, Y),
        X.scatter(0, ROWS[None], 7.0),
        X.scatter_add(1, INTEGERS % 2, Y),
        INTEGERS.scatter(1, ROWS[:, None], 0),
    ],
    "index put": lambda: [
        X.index_put((ROWS,), Y[0]),
        X.index_put((ROWS, ROWS), torch.tensor(5.0)),
        X.index_put((ROWS % 2,), Y[1], accumulate=True),
        X.index_put((MASK,), torch.tensor(5.0)),
        X.index_put((MASK,), Y[MASK]),
        X.index_add(1, ROWS, Y[:, :3]),
        X.index_copy(0, ROWS, Y[:3]),
    ],
    "one hot": lambda: F.one_hot(ROWS, 5),
    "softmax": lambda: [
        F.softmax(X, -1),
        F.softmax(X, 0),
        F.log_softmax(X, 1),
        F.softmax(1000 * X, 1),
        X.softmax(1, dtype=torch.float64),
    ],
    "layer norm": lambda: [F.layer_norm(X, (6,)), F.layer_norm(X, (6,), Y[0], X[1]), F.layer_norm(X, (4, 6))],
    "group norm": lambda: F.group_norm(CUBE[None].transpose(1, 2), 2, Y[0, :4], Y[1, :4]),
    "rms norm": lambda: F.rms_norm(X, (6,), Y[0], eps=1e-6),
    "batch norm": lambda: F.batch_norm(X, Y[0], Y[1], Y[2], Y[3]),
    "attention": lambda: F.scaled_dot_product_attention(CUBE[None], CUBE[None] * 2, CUBE[None] + 1),
    "attention with mask": lambda: F.scaled_dot_product_attention(
        CUBE[None], CUBE[None], CUBE[None], attn_mask=torch.tensor([[True, True, False, False]])
    ),
    "attention, all masked": lambda: F.scaled_dot_product_attention(
        CUBE[None], CUBE[None], CUBE[None], attn_mask=torch.zeros(4, 4, dtype=torch.bool)
    ),
    "attention with added mask": lambda: F.scaled_dot_product_attention(
        CUBE[None], CUBE[None], CUBE[None], attn_mask=X[:, :4]
    ),
    "causal attention": lambda: F.scaled_dot_product_attention(CUBE[None], CUBE[None], CUBE[None], is_causal=True),
}

ACTIVATIONS: list[nn.Module] = [
    nn.ReLU(),
    nn.ReLU6(),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.GELU(),
    nn.GELU("tanh"),
    nn.SiLU(),
    nn.Mish(),
    nn.ELU(0.7),
    nn.CELU(0.7),
    nn.SELU(),
    nn.LeakyReLU(0.1),
    nn.PReLU(6),
    nn.Softplus(),
    nn.Softsign(),
    nn.Softmin(1),
    nn.Softmax(1),
    nn.LogSoftmax(1),
    nn.LogSigmoid(),
    nn.Hardtanh(),
    nn.Hardsigmoid(),
    nn.Hardswish(),
    nn.Hardshrink(),
    nn.Softshrink(),
    nn.Tanhshrink(),
    nn.Threshold(0.1, 5.0),
    nn.GLU(),
    nn.Dropout().eval(),
]

CONTEXTS = [torch.no_grad, torch.inference_mode, torch.enable_grad]


def check(function: Callable[[], object]) -> None:
    with flashlight.tracer.trace():
        result = function()
    outputs = [result] if isinstance(result, torch.Tensor) else list(result)  # type: ignore[call-overload]
    with np.errstate(all="ignore"):
        values = cnp.evaluate(outputs)
    for output, value in zip(outputs, values, strict=True):
        expected = output.detach().numpy()
        assert value.dtype == expected.dtype
        # float32 functions of numpy and torch differ by an ulp or two; half by one.
        np.testing.assert_allclose(value, expected, rtol=2e-3 if value.dtype == np.float16 else 2e-5, atol=1e-6)


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.__name__)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_graph_gives_what_torch_gives(name: str, context: Callable[[], torch.no_grad]) -> None:
    with context():
        check(FUNCTIONS[name])


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.__name__)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_an_activation_gives_what_torch_gives(activation: nn.Module, context: Callable[[], torch.no_grad]) -> None:
    with context():
        check(lambda: activation(3 * X))


def test_activations_neither_overflow_nor_warn_far_from_zero() -> None:
    far = torch.tensor([-1e4, -100.0, 100.0, 1e4])
    for activation in ACTIVATIONS:
        if isinstance(activation, nn.PReLU | nn.GLU | nn.Softmin | nn.Softmax | nn.LogSoftmax):
            continue
        with torch.no_grad(), flashlight.tracer.trace():
            output = activation(far)
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            np.testing.assert_allclose(cnp.evaluate(output), output.numpy(), rtol=1e-5, atol=1e-30)


def test_heads_of_queries_share_heads_of_keys_in_every_context() -> None:
    query, key = torch.randn(1, 4, 3, 8), torch.randn(1, 2, 3, 8)
    for context in CONTEXTS:
        with context():
            check(lambda: F.scaled_dot_product_attention(query, key, key, enable_gqa=True, is_causal=True))


def test_fake_quantisation_has_the_gradient_of_the_identity_in_its_range() -> None:
    x = torch.linspace(-2.0, 2.0, 24, requires_grad=True)
    with flashlight.tracer.trace():
        y = torch.fake_quantize_per_tensor_affine(x, 0.1, 3, -8, 7)
    (expected,) = torch.autograd.grad(y.sum(), x)
    (gradient,) = cnp.chain_rule({y: cnp.ones(24, np.float32)}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), expected.numpy())
    np.testing.assert_allclose(cnp.evaluate(y), y.detach().numpy(), rtol=1e-6)


def test_tensors_that_torch_computes_from_numbers_are_constants() -> None:
    check(lambda: [torch.kaiser_window(5), torch.hamming_window(4), torch.fft.fftfreq(5), torch.fft.rfftfreq(6, 0.5)])


# Values at which formulas of numpy and torch may part.
EDGES = torch.tensor(
    [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e30, -1e30, 1e-30, -1e-30, 20.0, -20.0, 0.5, -0.5]
)
AT_EDGES: dict[str, Callable[[], object]] = {
    "sigmoids": lambda: [torch.sigmoid(EDGES), F.logsigmoid(EDGES), F.silu(EDGES), F.softplus(EDGES)],
    "shrinking": lambda: [F.hardshrink(EDGES), F.softshrink(EDGES), F.threshold(EDGES, 0.1, 7.0), F.hardtanh(EDGES)],
    "signs": lambda: [torch.sign(EDGES), torch.sgn(EDGES), torch.abs(EDGES), F.relu(EDGES), F.relu6(EDGES)],
    "rounding": lambda: [EDGES.floor(), EDGES.ceil(), EDGES.trunc(), EDGES.round(), EDGES.clamp(-1, 1)],
    "extrema": lambda: [EDGES.max(), EDGES.min(), *EDGES.max(0), *EDGES.sort(), *EDGES[1:].topk(3), EDGES.argmax()],
    "errors": lambda: [torch.erf(EDGES), torch.erfc(EDGES), torch.special.erfcx(EDGES[:5]), torch.log1p(EDGES)],
    "norms": lambda: [torch.linalg.vector_norm(EDGES[1:], order) for order in (0, 1, 2, float("inf"), -float("inf"))],
    "replacing": lambda: [torch.nan_to_num(EDGES), torch.where(EDGES.isnan(), 0.0, EDGES), EDGES.logsumexp(0)],
    "running": lambda: [*EDGES.flip(0).cummax(0), *EDGES.flip(0).cummin(0), EDGES[3:].cumsum(0)],
    "integers": lambda: [
        torch.arange(3, dtype=torch.uint8) * 300,
        torch.arange(3).to(torch.uint8).any(),
        F.hardtanh(torch.arange(-3, 3)),
        torch.div(torch.arange(-3, 3), 2, rounding_mode="trunc"),
        torch.nan_to_num(torch.arange(3)),
    ],
    "powers": lambda: [
        EDGES.to(kind) ** power for power in (0.5, -0.5, -1, 0) for kind in (torch.float32, torch.float16)
    ],
    "logarithms of odds": lambda: [torch.logit(EDGES.to(kind), 1e-6) for kind in (torch.float32, torch.float16)],
    "counts and steps": lambda: [torch.linalg.vector_norm(EDGES, 0), torch.heaviside(EDGES, torch.tensor(0.25))],
    "special functions": lambda: [
        torch.digamma(EDGES[5:]),
        *(function(EDGES[5:]) for function in (torch.special.i0e, torch.special.i1e)),
        *(function(EDGES[5:].abs()) for function in (torch.special.scaled_modified_bessel_k0, torch.special.bessel_y0)),
    ],
    "powers of complex numbers": lambda: [
        torch.view_as_real(torch.tensor([complex(1, np.inf), -np.inf, 2j]) ** power) for power in (0.5, -1)
    ],
    "logarithms near 1": lambda: torch.view_as_real(
        torch.log1p(torch.tensor([1e-20 + 0j, 1e-9 - 2e-9j, 0.01j, 3 - 4j]))
    ),
    "complex": lambda: [
        torch.abs(torch.complex(EDGES[3:], EDGES[3:].flip(0))),
        torch.angle(torch.complex(EDGES[9:], EDGES[9:].flip(0))),
        torch.view_as_real(torch.polar(EDGES[9:].abs(), EDGES[9:])),
    ],
}


@pytest.mark.parametrize("name", AT_EDGES)
def test_a_graph_gives_what_torch_gives_at_the_edges(name: str) -> None:
    with torch.no_grad():
        check(AT_EDGES[name])


def test_signs_of_the_smallest_complex_numbers_are_numpys() -> None:
    # torch's own depend on where an element lies: some are inf.
    values = torch.tensor(
        [1e-320, 5e-324 + 5e-324j, 1e-310 - 2e-312j, 1e308 + 1e308j, 0, 3 - 4j], dtype=torch.complex128
    )
    with flashlight.tracer.trace():
        signs = torch.sgn(values)
    np.testing.assert_allclose(cnp.evaluate(signs), np.sign(values.numpy()), rtol=1e-15)


def test_resizing_with_wide_filters_is_torchs() -> None:
    image = torch.randn(1, 2, 9, 7)
    with torch.no_grad():
        for mode in ("bilinear", "bicubic"):
            for size in ((4, 5), (12, 3), (9, 14)):
                check(lambda mode=mode, size=size: F.interpolate(image, size, mode=mode, antialias=True))


@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
@pytest.mark.parametrize("function", [torch.det, lambda x: torch.linalg.slogdet(x)[1], torch.logdet])
def test_the_derivative_of_a_determinant_inside_a_trace(
    function: Callable[[torch.Tensor], torch.Tensor], layout: str
) -> None:
    """torch keeps the factors of the transposed matrix, if that saves a copy."""
    x, new = (torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    x, new = (each @ each.mT + torch.eye(3) for each in (x, new))
    given, other = (each.mT if layout == "transposed" else each for each in (x, new))
    given, other = given.detach().requires_grad_(), other.detach().requires_grad_()
    with flashlight.tracer.trace():
        (slope,) = torch.autograd.grad(function(given).sum(), given)
    (expected,) = torch.autograd.grad(function(other).sum(), other)
    values = cnp.evaluate(slope, inputs={given: other.detach().numpy()})
    np.testing.assert_allclose(values, expected.numpy(), rtol=1e-4)


@pytest.mark.parametrize("function", [F.hardshrink, F.softshrink])
def test_the_derivative_of_a_shrinking_function_inside_a_trace(function: Callable[..., torch.Tensor]) -> None:
    x, new = torch.tensor([-3.0, -0.4, 0.3, 2.0], requires_grad=True), torch.tensor([0.1, -1.0, 0.7, -0.2])
    with flashlight.tracer.trace():
        (slope,) = torch.autograd.grad((function(x) * torch.arange(4.0)).sum(), x)
    np.testing.assert_array_equal(cnp.evaluate(slope), slope.numpy())
    np.testing.assert_array_equal(cnp.evaluate(slope, inputs={x: new.numpy()}), [0, 1, 2, 0])


def test_the_derivative_of_log_sigmoid_inside_a_trace() -> None:
    """torch's backward pass starts from what the forward pass keeps."""
    x, new = torch.tensor([-3.0, -0.5, 0.5, 2.0], requires_grad=True), torch.tensor([4.0, -1.0, 0.0, -30.0])
    with flashlight.tracer.trace():
        (slope,) = torch.autograd.grad(F.logsigmoid(x).sum(), x)
    np.testing.assert_allclose(cnp.evaluate(slope), slope.numpy(), rtol=1e-6)
    np.testing.assert_allclose(cnp.evaluate(slope, inputs={x: new.numpy()}), torch.sigmoid(-new).numpy(), rtol=1e-6)


SCORES, POOLED = torch.randn(3, 4), torch.randn(1, 3, 2)
BY_POSITION: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], torch.Tensor]] = {
    "nll": (lambda index: F.nll_loss(SCORES, index, torch.ones(4)), torch.tensor([0, 1, 2])),
    "cross entropy": (lambda index: F.cross_entropy(SCORES, index, label_smoothing=0.1), torch.tensor([0, 1, 2])),
    "margin": (lambda index: F.multi_margin_loss(SCORES, index), torch.tensor([0, 1, 2])),
    "unpooling": (lambda index: F.max_unpool1d(POOLED, index, 2), torch.tensor([[[0, 2]] * 3])),
    "gradient of embedding": (
        lambda index: torch.func.grad(lambda weight: F.embedding(index, weight).sum())(SCORES),
        torch.tensor([0, 1]),
    ),
}


@pytest.mark.parametrize("name", BY_POSITION)
def test_no_position_counts_from_the_end(name: str) -> None:
    function, index = BY_POSITION[name]
    other = index.clone().index_fill_(-1, torch.tensor([1]), -1)
    with flashlight.tracer.trace():
        y = function(index)
    for run in (
        lambda: cnp.evaluate(y, inputs={index: other}),
        lambda: mosaic.compile(y, inputs=[index])(other.numpy()),
    ):
        with pytest.raises(IndexError, match="out of bounds"):
            run()
