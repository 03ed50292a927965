"""Hard programs of single operations at their corners: overlapping memory, odd places, promotion, ties, complex numbers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from tests.flashlight.zoo.programs import program

Tensor = torch.Tensor


@program(x=(4, 5))
def scatters_of_views(x: Tensor) -> Any:
    y = torch.as_strided_scatter(x.contiguous(), torch.ones(2, 2), (2, 2), (5, 2), 1)
    z = torch.diagonal_scatter(y, torch.zeros(4), 1)
    w = torch.select_scatter(z, z[0] * 2, 0, -1)
    v = torch.slice_scatter(w, x[:, :2], 1, 1, 5, 2)
    overlapping = torch.as_strided(v.contiguous(), (3, 4), (1, 2))
    return y, z, w, v, overlapping.clone(), overlapping.sum(0), torch.as_strided(v.clone(), (2, 3), (0, 1), 3)


@program(x=(4, 5))
def accumulated_at_odd_places(x: Tensor) -> Any:
    y = x.clone()
    rows, cols = torch.tensor([0, -1, 0, 3]), torch.tensor([[1], [1], [-4], [2]])
    y.index_put_((rows[:, None], cols), torch.tensor(2.0), accumulate=True)
    z = x.clone()
    z[torch.tensor([True, False, True, False]), 1:3] += torch.tensor([10.0, 20.0])
    z[:, [0, 0, 1]] -= x[:, :3]
    w = x.clone()
    w.put_(torch.tensor([0, -1, 0, 7]), torch.tensor([1.0, 2, 3, 4]), accumulate=True)
    u = x.clone()
    u.masked_scatter_(x > 0, torch.arange(20.0))
    t = x.clone()
    t[..., -1, [1, 2]] = t[0, [2, 1]].clone()
    t[None, 2][0, x[0] > 10] = 3
    return y, z, w, u, t


@program(x=(3, 4))
def outs_that_overlap(x: Tensor) -> Any:
    y = x.clone()
    torch.cumsum(y, 1, out=y)
    z = x.clone()
    torch.add(z, z.flip(0), out=z)
    d = torch.empty(0)
    torch.matmul(x, x.t(), out=d)
    e = torch.zeros(3, 8)
    torch.mul(x, 2, out=e[:, ::2])
    f = torch.zeros(3, 4, dtype=torch.float64)
    torch.add(x, 1, out=f)
    g = (torch.empty(3), torch.empty(3, dtype=torch.int64))
    torch.max(x, 1, out=g)
    h = torch.empty(4, 3)
    torch.sort(x.t(), 1, out=(h, torch.empty(4, 3, dtype=torch.int64)))
    k = torch.empty(12)
    torch.cat([x.flatten()[:5], x.flatten()[5:]], out=k)
    return y, z, d, e, f, g, h, k


@program(x=(3, 4))
def promoted_in_every_way(x: Tensor) -> Any:
    i = torch.arange(-6, 6).reshape(3, 4)
    b = i > 0
    u = torch.tensor([250, 251, 252, 253], dtype=torch.uint8)
    s = torch.tensor(2.5)
    return (
        torch.where(b, 1, 2.5),
        torch.where(b, i, torch.tensor(1.5)),
        torch.where(x > 0, x, torch.tensor(0.0, dtype=torch.float64)),
        u + 10,
        u * 3,
        (u + torch.tensor(300)),
        i // -4,
        i % -4,
        torch.fmod(i, 4),
        torch.remainder(x, -0.5),
        torch.div(i, 3, rounding_mode="trunc"),
        torch.div(i, -5, rounding_mode="floor"),
        i**2,
        2 ** i.float(),
        b + b,
        b & (i % 2 == 0),
        i / 2,
        torch.true_divide(i, 4),
        -u,
        ~u,
        i << 2,
        i >> 1,
        b.sum(),
        b.float().mean(),
        b.cumsum(1),
        torch.add(i, i, alpha=2),
        x.int(),
        (x * 1000).to(torch.int8),
        torch.tensor(3) * x.half(),
        s * i,
        s.double() * x,
        torch.full((2,), 3),
        torch.arange(0, 1, 0.3),
        i.to(torch.int16) * torch.tensor(40000),
        torch.bitwise_xor(i, 5),
        i.abs().sqrt(),
        torch.floor_divide(x, 0.3),
    )


@program(x=(3, 4))
def parts_of_complex_numbers(x: Tensor) -> Any:
    z = torch.complex(x, x.flip(1))
    w = z.clone()
    w.imag.mul_(-1)
    w.real[0] = 5
    torch.view_as_real(w)[1, :, 0].add_(1)
    c = w.conj()
    c2 = c.clone()
    c2[0] *= 1j
    v = torch.einsum("ij,kj->ik", z, w.conj())
    u = torch.einsum("ij,ij->", z.conj(), w)
    m = z.mH @ w
    p = torch.polar(x.abs(), x) * torch.view_as_complex(torch.stack([x, -x], -1))
    q = p.clone()
    q[:, 1:] /= p[:, :3]
    q[0] = q[0].conj().resolve_conj()
    return (
        w,
        c.resolve_conj(),
        c2,
        v,
        u,
        m,
        p,
        q,
        z.abs(),
        z.angle(),
        z.sgn(),
        torch.exp(1j * x),
        z.cumsum(1),
        (z == w),
        z.real.neg(),
        z.imag * 2,
        z.mean(),
        z.prod(1),
        z.pow(2),
        z.sqrt(),
        torch.isreal(z),
        z.isfinite(),
    )


@program(x=(2, 3, 8))
def rotary_by_complex_numbers(x: Tensor) -> Any:
    freqs = 1.0 / (100.0 ** (torch.arange(0, 8, 2).float() / 8))
    cis = torch.polar(torch.ones(3, 4), torch.outer(torch.arange(3).float(), freqs))
    q = torch.view_as_complex(x.float().reshape(2, 3, 4, 2))
    k = torch.view_as_complex(x.flip(2).reshape(2, 3, -1, 2).contiguous())
    a = torch.view_as_real(q * cis).flatten(2)
    b = torch.view_as_real(k * cis[None].conj()).flatten(-2)
    return a, b, a @ b.mT, torch.view_as_real(torch.exp(1j * x[..., :2])).type_as(x)


@program(x=(2, 5, 4))
def reductions_into_places(x: Tensor) -> Any:
    index = torch.tensor([0, 2, 2, 0, 1])
    base = torch.ones(2, 3, 4)
    at = index[None, :, None].expand(2, 5, 4)
    out = [
        base.scatter_reduce(1, at, x, r, include_self=s)
        for r in ("sum", "prod", "mean", "amax", "amin")
        for s in (True, False)
    ]
    out += [
        base.index_reduce(1, index, x, r, include_self=s)
        for r in ("prod", "mean", "amax", "amin")
        for s in (True, False)
    ]
    out.append(base.scatter(1, at, x.abs().round(), reduce="multiply"))
    out.append(torch.zeros(2, 3, 4).scatter_add_(1, at, x))
    out.append(torch.segment_reduce(x[0, :, 0].contiguous(), "max", lengths=torch.tensor([2, 3])))
    out.append(torch.bincount(index, weights=x[0, :, 0], minlength=5))
    out.append(torch.histc(x, 4, -1, 1))
    return out


@program(x=(4, 6))
def order_with_ties_and_nans(x: Tensor) -> Any:
    y = x.round()
    n = y.clone()
    n[0, 1] = math.nan
    n[2, 3] = math.inf
    return (
        y.sort(dim=1, descending=True, stable=True),
        y.argsort(dim=0, stable=True),
        n.max(1),
        n.argmax(),
        n.sort(1).values,
        n.nanmedian(1).values,
        n.median(),
        torch.maximum(n, y),
        torch.fmax(n, y),
        n.clamp(0.5, -0.5),
        n.clamp(min=torch.zeros(6)),
        n.nan_to_num(1.0, 2.0),
        y.mode(1).values,
        y.kthvalue(2, 1).values,
        y.unique(),
        torch.unique_consecutive(y[0]),
        n.cummax(1),
        n.cummin(0),
        n.logcumsumexp(1),
        torch.nanquantile(n, 0.3, 1),
        torch.quantile(y, torch.tensor([0.1, 0.7]), 1, interpolation="lower"),
        n.isnan().any(),
        torch.topk(y, 2, 1).values,
        y.aminmax(dim=1),
        n.nansum(),
        torch.isin(y, torch.tensor([0.0, 1.0])),
        torch.searchsorted(y.sort(1).values, y, right=True),
        torch.bucketize(y, torch.tensor([-1.0, 0, 1])),
        y.msort(),
        torch.renorm(x, 1, 0, 0.5),
        n.relu(),
        F.softmax(n, 1),
        n.sign(),
    )


@program(x=(3, 4))
def views_turned_in_place(x: Tensor) -> Any:
    y = x.clone()
    v = y[1:]
    v.t_()
    v.unsqueeze_(0)
    v.transpose_(0, 2)
    v.mul_(3)
    w = y.flatten().unfold(0, 4, 4)
    w[0].add_(1)
    a, b = y.chunk(2, 1)
    a.copy_(b)
    for number, row in enumerate(y.unbind(1)):
        row.add_(number)
    y.movedim(0, 1)[2].neg_()
    z = y.squeeze().unsqueeze(-1).swapaxes(0, 2)
    z[0, 0].zero_()
    s = y.select(0, 1).narrow(0, 1, 2).view(2, 1)
    s += 10
    y.T.diagonal().fill_(4)
    y.resize_(3, 4)
    return y, v, w, a, z, s, y.rot90(), y.roll((1, 2), (0, 1))


@program(x=(3, 4))
def operators_called_directly(x: Tensor) -> Any:
    o = torch.ops.aten
    y = x.clone()
    o.add_.Tensor(y, x, alpha=3)
    out = torch.empty(3, 4)
    o.mul.out(x, y, out=out)
    n = o.native_layer_norm(x, [4], None, None, 1e-5)
    c = o.convolution(x[None, None], torch.ones(1, 1, 2, 2), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
    p = torch.ops.prims.convert_element_type(x, torch.float64)
    return (
        y,
        out,
        n,
        c,
        p,
        o._softmax(x, 1, False),
        o.addmm(x[:, :3] * 0, x, x.t(), beta=2, alpha=0.5),
        o._unsafe_view(x, [4, 3]),
        o.threshold_backward(x, y, 0.1),
        o.lift_fresh_copy(x),
        o.alias(x) * 2,
        o.squeeze.dims(x[None], [0]),
    )


@program(x=(3, 4))
def one_tensor_in_two_places(x: Tensor) -> Any:
    def f(a, b):
        a.add_(1)
        b.mul_(2)
        return a + b

    y = x.clone()
    first = f(y, y)
    second = f(y, y[:])
    z = x.clone()
    third = f(z[:, :2], z[:, 1:3])
    torch._foreach_add_([z, z], 1.0)
    torch._foreach_mul_([z[0], z[1]], [2.0, 3.0])
    return y, first, second, z, third


@program(x=(3, 4))
def functions_of_many_kinds(x: Tensor) -> Any:
    return (
        torch.movedim(x, 0, 1),
        torch.tensordot(x, x, dims=([1], [1])),
        torch.block_diag(x, x[:1]),
        torch.cartesian_prod(x[0], x[1, :2]),
        torch.combinations(x[0], 2),
        torch.meshgrid(x[0], x[:, 0], indexing="xy"),
        torch.vander(x[0]),
        torch.trapezoid(x, dx=0.5),
        torch.gradient(x, spacing=0.5),
        torch.cov(x),
        torch.corrcoef(x),
        torch.cdist(x, x, p=float("inf")),
        torch.cross(x[:, :3], x[:, 1:]),
        torch.logdet(x[:3, :3] @ x[:3, :3].t() + torch.eye(3)),
        torch.tril_indices(3, 3),
        torch.stack([x]).expand(2, -1, -1).contiguous().repeat_interleave(torch.tensor([1, 2]), 0),
        torch.diff(x, n=2),
        torch.heaviside(x, torch.tensor(0.5)),
        torch.ldexp(x, torch.tensor(3)),
        torch.frexp(x),
        torch.nextafter(x, x + 1),
        torch.polygamma(1, x.abs() + 1),
        torch.lgamma(x),
        torch.digamma(x.abs() + 0.1),
        torch.special.xlog1py(x, x.abs()),
        torch.special.i0(x),
        torch.hypot(x, x),
        torch.copysign(x, -x),
        torch.logit(x.sigmoid()),
        torch.erfinv(x.tanh()),
        torch.float_power(x.abs(), 0.3),
        x.view(torch.int32) & 0xFF,
        (x.view(torch.int32) ^ 1).view(torch.float32),
        x.half().view(torch.int16),
        x.view(torch.uint8)[0],
    )
