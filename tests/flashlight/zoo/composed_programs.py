"""Hard programs that mix torch.func, autograd in forward, parametrizations, hooks, scripted and compiled parts."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.utils.prune
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from tests.flashlight.zoo.programs import program


@program(x=(5, 3))
def per_sample_gradients(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    params = dict(model.named_parameters())

    def loss(p, row):
        return torch.func.functional_call(model, p, (row[None],)).square().mean()

    return torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(params, x)


@program(x=(3,), y=(3,))
def hessian_vector(x: torch.Tensor, y: torch.Tensor) -> Any:
    def f(v):
        return (v.exp() * v.sin()).sum() + (v @ v) ** 2

    return torch.func.hessian(f)(x), torch.func.jvp(torch.func.grad(f), (x,), (y,))[1], torch.func.jacfwd(f)(x)


@program(x=(4, 3))
def maml_inner_loop(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Linear(3, 2)
    params = {k: v.detach() for k, v in model.named_parameters()}

    def inner(p):
        for _ in range(2):
            g = torch.func.grad(lambda q: torch.func.functional_call(model, q, (x,)).pow(2).mean())(p)
            p = {k: p[k] - 0.1 * g[k] for k in p}
        return torch.func.functional_call(model, p, (x,)).abs().mean()

    return torch.func.grad_and_value(inner)(params)


@program(x=(4, 6))
def ensemble_of_models(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    models = [nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.LayerNorm(5)) for _ in range(3)]
    params, buffers = torch.func.stack_module_state(models)
    base = copy.deepcopy(models[0])

    def run(p, b):
        return torch.func.functional_call(base, (p, b), (x,))

    return torch.func.vmap(run)(params, buffers)


@program(x=(4, 2))
def force_field(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(1, 8), nn.SiLU(), nn.Linear(8, 1))
    with torch.enable_grad():
        pos = x.detach().clone().requires_grad_(True)
        diff = pos[:, None] - pos[None]
        dist = (diff.square().sum(-1) + torch.eye(4)).sqrt()
        energy = (net(dist[..., None])[..., 0] * (1 - torch.eye(4))).sum() / 2
        forces = -torch.autograd.grad(energy, pos, create_graph=True)[0]
        loss = forces.square().sum()
        grads = torch.autograd.grad(loss, list(net.parameters())[:3])
    return energy.detach(), forces.detach(), grads


class _Symmetric(nn.Module):
    def forward(self, w):
        return w.triu() + w.triu(1).transpose(-1, -2)

    def right_inverse(self, w):
        return w.triu()


class _Positive(nn.Module):
    def forward(self, w):
        return F.softplus(w)


@program(x=(4, 5))
def parametrized_training(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    layer = nn.Linear(5, 5)
    parametrize.register_parametrization(layer, "weight", _Symmetric())
    parametrize.register_parametrization(layer, "weight", _Positive())
    orth = nn.utils.parametrizations.orthogonal(nn.Linear(5, 3))
    opt = torch.optim.SGD(layer.parameters(), 0.1)
    with torch.enable_grad(), parametrize.cached():
        loss = orth(layer(x)).square().mean()
        loss.backward()
        opt.step()
    return loss.detach(), layer.weight.detach(), orth.weight.detach()


class _Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, limit):
        ctx.save_for_backward(x)
        ctx.limit = limit
        return x.clamp(-limit, limit)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.where(x.abs() > ctx.limit, 0.1, 1.0), None


@program(x=(4, 6))
def custom_autograd_function(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    lin = nn.Linear(6, 3)
    with torch.enable_grad():
        h = x.detach().requires_grad_()
        y = _Clip.apply(lin(h), 0.5)
        y.exp().sum().backward()
    return y.detach(), h.grad, lin.weight.grad


def _loop(x: torch.Tensor, n: int) -> torch.Tensor:
    total = torch.zeros_like(x)
    for i in range(n):
        if i % 2 == 0:
            total = total + x.sin() * i
        else:
            total = total - x.cos()
    return total


class _ScriptedCell(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 8)

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = self.lin(x).chunk(2, dim=-1)
        state = torch.sigmoid(a) * state + torch.tanh(b)
        return state.relu(), state


@program(x=(5, 2, 4))
def scripted_recurrence(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    cell = torch.jit.script(_ScriptedCell())
    state = torch.zeros(2, 4)
    out = []
    for step in x:
        y, state = cell(step, state)
        out.append(y)
    return torch.stack(out), state, torch.jit.script(_loop)(x, 5)


@program(x=(4, 4))
def scripted_gradients(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    cell = torch.jit.script(_ScriptedCell())
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y, s = cell(leaf, torch.ones(4, 4))
        (y.sum() + s.square().sum()).backward()
    return leaf.grad, [p.grad for p in cell.parameters()]


@program(x=(4, 5))
def traced_and_frozen(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    m = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Hardswish()).eval()
    fr = torch.jit.freeze(torch.jit.script(m))
    tr = torch.jit.trace(m, torch.ones(2, 5), check_trace=False)
    return fr(x), tr(x), torch.jit.optimize_for_inference(torch.jit.script(m))(x)


@program(x=(3, 6))
def compiled_submodule(x: torch.Tensor) -> Any:
    torch.manual_seed(3)

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.compile(nn.Linear(6, 6), backend="eager")
            self.b = nn.Linear(6, 2)
            self.b.compile(backend="eager")

        def forward(self, x):
            return self.b(self.a(x).relu())

    m = Outer()

    @torch.compile(backend="eager", fullgraph=True)
    def f(y):
        return (y * 2).softmax(-1)

    with torch.enable_grad():
        loss = f(m(x)).log().mean()
        loss.backward()
    return loss.detach(), {k: p.grad for k, p in m.named_parameters()}, [hasattr(m.a, "_orig_mod"), type(m.a).__name__]


@program(x=(3, 4, 5))
def vmap_of_everything(x: torch.Tensor) -> Any:
    def f(m, i):
        s = torch.linalg.svdvals(m)
        return s.sum() + m[i % 2].sum(), torch.where(m > 0, m, m.exp()).cumsum(0)[-1], m.argmax()

    a = torch.vmap(f, in_dims=(0, 0))(x, torch.arange(3))
    b = torch.vmap(torch.vmap(lambda u, v: u * v.sin(), in_dims=(0, None)), in_dims=(1, 1), out_dims=2)(x, x)
    return a, b


@program(x=(4, 3))
def vmap_random_and_chunks(x: torch.Tensor) -> Any:
    g = torch.vmap(lambda r: r + torch.randn(3), randomness="different")(x)
    s = torch.vmap(lambda r: F.dropout(r, 0.5), randomness="same")(x)
    return g, s, torch.vmap(lambda r: r.softmax(0), chunk_size=2)(x)


@program(x=(3,), y=(3,))
def vjps_and_linearize(x: torch.Tensor, y: torch.Tensor) -> Any:
    out, pull = torch.func.vjp(lambda v: (v.sin(), v.sum() * v), x)
    lin_out, push = torch.func.linearize(lambda v: v.tanh() * v, x)
    return out, pull((y, y * 2)), lin_out, push(y), torch.func.jacrev(lambda v: v.outer(v), chunk_size=2)(x)


@program(x=(4, 5))
def functionalized(x: torch.Tensor) -> Any:
    def f(v):
        v = v.clone()
        v[0].mul_(2)
        v.add_(1)
        return v.view(-1)

    g = torch.func.functionalize(f)(x)
    return g, f(x)


@program(x=(2, 3), y=(3, 2))
def forward_mode(x: torch.Tensor, y: torch.Tensor) -> Any:
    import torch.autograd.forward_ad as fwAD

    with fwAD.dual_level():
        d = fwAD.make_dual(x, x * 2)
        out = fwAD.unpack_dual((d @ y).tanh())
    return out.primal, out.tangent


@program(x=(3, 4))
def jacobian_and_hessian_of_autograd(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    m = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    with torch.enable_grad():
        j = torch.autograd.functional.jacobian(m, x, vectorize=True)
        h = torch.autograd.functional.hessian(lambda v: m(v).pow(2).sum(), x)
        v = torch.autograd.functional.hvp(lambda v: m(v).pow(2).sum(), x, torch.ones_like(x))[1]
    return j, h, v


@program(x=(4, 5))
def double_backward_through_hooks(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    lin = nn.Linear(5, 3)
    handle = lin.register_forward_hook(lambda m, a, o: o * torch.sigmoid(o))
    with torch.enable_grad():
        v = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(lin(v).pow(2).sum(), v, create_graph=True)
        (g2,) = torch.autograd.grad(g.sum(), v)
    handle.remove()
    return g.detach(), g2, lin(x).detach()


@program(x=(4, 6))
def module_swaps(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    m = nn.Linear(6, 6)
    with torch.nn.utils.stateless._reparametrize_module(m, {"weight": torch.eye(6) * x.mean(), "bias": x[0]}):
        a = m(x)
    pruned = nn.Linear(6, 3)
    nn.utils.prune.l1_unstructured(pruned, "weight", amount=0.4)
    lora = nn.Linear(6, 3)
    A, B = nn.Parameter(torch.randn(2, 6)), nn.Parameter(torch.randn(3, 2))

    def hook(mod, args, out):
        return out + args[0] @ A.T @ B.T

    lora.register_forward_hook(hook)
    return a, pruned(x).detach(), lora(x).detach()


@program(x=(6, 5))
def lazy_modules(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    m = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyBatchNorm1d(), nn.LazyLinear(2))
    return m(x).detach(), m(x * 2).detach()


@program(x=(3, 4))
def conditional_branches(x: torch.Tensor) -> Any:
    return torch.cond(x.sum() > 0, lambda v: v * 2, lambda v: v * 3, (x,)), torch.cond(
        True, lambda v: v.sin(), lambda v: v, (x,)
    )


@program(x=(3, 4))
def loops_as_operators(x: torch.Tensor) -> Any:
    from torch._higher_order_ops.while_loop import while_loop

    return while_loop(lambda i, v: i < 4, lambda i, v: (i + 1, v * 1.5 + 1), (torch.tensor(0), x))


@program(x=(5, 4))
def scans_as_operators(x: torch.Tensor) -> Any:
    from torch._higher_order_ops.scan import scan

    return scan(lambda c, v: (c * 0.5 + v, (c * v).clone()), torch.zeros(4), x)


@program(x=(5, 4))
def associative_scans(x: torch.Tensor) -> Any:
    from torch._higher_order_ops.associative_scan import associative_scan

    return associative_scan(lambda a, b: a * b + 1, x, 0, combine_mode="generic")


@program(q=(1, 2, 16, 8), k=(1, 2, 16, 8))
def flexible_attention(q: torch.Tensor, k: torch.Tensor) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    bm = create_block_mask(lambda b, h, i, j: i >= j, 1, None, 16, 16, device="cpu")
    return flex_attention(q, k, k, score_mod=lambda s, b, h, i, j: s * 0.5 + (i - j)), flex_attention(
        q, k, k, block_mask=bm
    )


@program(x=(3, 4))
def conditional_modules(x: torch.Tensor) -> Any:
    torch.manual_seed(0)
    a, b = nn.Linear(4, 2), nn.Linear(4, 2)

    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.a = a
            s.b = b

        def forward(s, x):
            return torch.cond(x.mean() > 0, s.a, s.b, (x,))

    return M()(x)
