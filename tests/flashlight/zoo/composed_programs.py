"""Hard programs that mix torch.func, autograd in forward, training, checkpoints, hooks, parametrizations, scripted and compiled parts."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.utils.prune
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

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


@program(x=(6, 4), t=(6, 2))
def adamw_with_clipping(x: torch.Tensor, t: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    opt = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 10)
    norms = []
    with torch.enable_grad():
        for _ in range(3):
            opt.zero_grad(set_to_none=True)
            F.mse_loss(model(x), t).backward()
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), 0.5))
            opt.step()
            sched.step()
    return [p.detach() for p in model.parameters()], torch.stack(norms)


@program(x=(4, 3, 8, 8))
def batch_norm_training_step(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    ).train()
    opt = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)
    with torch.enable_grad():
        for _ in range(2):
            opt.zero_grad()
            loss = F.cross_entropy(model(x), torch.tensor([0, 1, 1, 0]), label_smoothing=0.1)
            loss.backward()
            opt.step()
    return loss.detach(), dict(model.state_dict())


@program(x=(3, 5, 8))
def checkpointed_transformer_gradients(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    layers = nn.ModuleList(
        [nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, activation="gelu") for _ in range(2)]
    )
    with torch.enable_grad():
        h = x
        for layer in layers:
            h = checkpoint(layer, h, use_reentrant=False)
        h.square().mean().backward()
    return h.detach(), [p.grad for p in layers.parameters()]


@program(x=(3, 8))
def reentrant_checkpoint(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    seq = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Sigmoid())
    with torch.enable_grad():
        inp = x.detach().clone().requires_grad_()
        y = checkpoint_sequential(seq, 2, inp, use_reentrant=True)
        y.sum().backward()
    return y.detach(), inp.grad, seq[0].weight.grad


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


@program(x=(4, 6))
def gradient_hooks(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))
    seen = []
    model[0].register_full_backward_hook(lambda m, gi, go: seen.append(go[0].norm()))
    model[2].weight.register_hook(lambda g: g.clamp(-0.1, 0.1))

    def double(p):
        p.grad.mul_(2)

    model[2].bias.register_post_accumulate_grad_hook(double)
    with torch.enable_grad():
        y = model(x)
        y.retain_grad()
        y.pow(3).sum().backward()
    return seen, [p.grad for p in model.parameters()], y.grad


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


@program(x=(6, 3))
def lbfgs_inside(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    w = nn.Parameter(torch.zeros(3))
    opt = torch.optim.LBFGS([w], max_iter=3, lr=0.5)

    def closure():
        opt.zero_grad()
        loss = (x @ w - 1).square().mean()
        loss.backward()
        return loss

    with torch.enable_grad():
        loss = opt.step(closure)
    return loss.detach(), w.detach()


@program(x=(6, 4))
def many_optimizers(x: torch.Tensor) -> Any:
    out = []
    for make in (
        lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.9, centered=True),
        lambda p: torch.optim.Adagrad(p, 0.1),
        lambda p: torch.optim.Adadelta(p, 1.0),
        lambda p: torch.optim.NAdam(p, 0.01),
        lambda p: torch.optim.RAdam(p, 0.01),
        lambda p: torch.optim.Adamax(p, 0.01),
        lambda p: torch.optim.ASGD(p, 0.01),
        lambda p: torch.optim.Rprop(p, 0.01),
        lambda p: torch.optim.Adam(p, 0.01, amsgrad=True, foreach=True),
        lambda p: torch.optim.SGD(p, 0.01, fused=True),
        lambda p: torch.optim.AdamW(p, 0.01, fused=True),
        lambda p: torch.optim.Adafactor(p, 0.01),
    ):
        torch.manual_seed(3)
        m = nn.Linear(4, 2)
        opt = make(list(m.parameters()))
        with torch.enable_grad():
            for _ in range(2):
                opt.zero_grad()
                m(x).square().mean().backward()
                opt.step()
        out.append(m.weight.detach().clone())
    return out


@program(x=(4, 3))
def ema_and_swa(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    m = nn.Linear(3, 3)
    avg = torch.optim.swa_utils.AveragedModel(m, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    opt = torch.optim.SGD(m.parameters(), 0.1)
    with torch.enable_grad():
        for _ in range(3):
            opt.zero_grad()
            m(x).square().sum().backward()
            opt.step()
            avg.update_parameters(m)
    return avg(x).detach(), m.weight.detach()


@program(x=(5, 4))
def gradient_penalty_gan(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    D = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    G = nn.Linear(4, 4)
    od, og = torch.optim.Adam(D.parameters(), 1e-2, betas=(0.5, 0.9)), torch.optim.Adam(G.parameters(), 1e-2)
    with torch.enable_grad():
        fake = G(torch.ones(5, 4)).detach()
        mix = (0.3 * x + 0.7 * fake).requires_grad_()
        (gr,) = torch.autograd.grad(D(mix).sum(), mix, create_graph=True)
        ld = D(fake).mean() - D(x).mean() + 10 * (gr.norm(dim=1) - 1).square().mean()
        od.zero_grad()
        ld.backward()
        od.step()
        lg = -D(G(x)).mean()
        og.zero_grad()
        lg.backward()
        og.step()
    return ld.detach(), lg.detach(), G.weight.detach(), D[0].weight.detach()


@program(x=(2, 3), y=(3, 2))
def forward_mode(x: torch.Tensor, y: torch.Tensor) -> Any:
    import torch.autograd.forward_ad as fwAD

    with fwAD.dual_level():
        d = fwAD.make_dual(x, x * 2)
        out = fwAD.unpack_dual((d @ y).tanh())
    return out.primal, out.tangent


@program(x=(4, 3))
def saved_tensor_hooks_and_no_grad_islands(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    lin = nn.Linear(3, 3)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(lambda t: t * 1, lambda t: t):
        h = lin(x)
        with torch.no_grad():
            scale = h.abs().max()
        loss = (h / scale).exp().sum() + (h.detach() * h).sum()
        loss.backward()
    return loss.detach(), lin.weight.grad


@program(x=(8, 4))
def gradient_accumulation(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    m = nn.Linear(4, 2)
    opt = torch.optim.SGD(m.parameters(), 0.1)
    with torch.enable_grad():
        for i, chunk in enumerate(x.split(2)):
            (m(chunk).square().mean() / 2).backward()
            if i % 2:
                opt.step()
                opt.zero_grad(set_to_none=False)
    return m.weight.detach(), m.weight.grad


@program(x=(4, 6))
def straight_through_vq(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    code = nn.Embedding(5, 6)
    with torch.enable_grad():
        z = x.detach().requires_grad_()
        idx = torch.cdist(z, code.weight).argmin(1)
        q = code(idx)
        zq = z + (q - z).detach()
        loss = (zq * torch.arange(6.0)).sum() + F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())
        loss.backward()
    return loss.detach(), z.grad, code.weight.grad


@program(x=(3, 4))
def jacobian_and_hessian_of_autograd(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    m = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    with torch.enable_grad():
        j = torch.autograd.functional.jacobian(m, x, vectorize=True)
        h = torch.autograd.functional.hessian(lambda v: m(v).pow(2).sum(), x)
        v = torch.autograd.functional.hvp(lambda v: m(v).pow(2).sum(), x, torch.ones_like(x))[1]
    return j, h, v


@program(x=(6, 3))
def deepcopy_and_load_state(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    m = nn.Linear(3, 3)
    t = copy.deepcopy(m)
    opt = torch.optim.Adam(m.parameters(), 0.05)
    with torch.enable_grad():
        m(x).square().sum().backward()
        opt.step()
    with torch.no_grad():
        for a, b in zip(t.parameters(), m.parameters(), strict=True):
            a.lerp_(b, 0.1)
    m2 = nn.Linear(3, 3)
    m2.load_state_dict(t.state_dict())
    return m2(x).detach(), t.weight.detach(), nn.utils.parameters_to_vector(m.parameters()).detach()


@program(x=(2, 6, 8))
def lstm_backward(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    rnn = nn.LSTM(8, 5, batch_first=True, num_layers=2)
    with torch.enable_grad():
        inp = x.detach().requires_grad_()
        y, (h, _) = rnn(inp)
        (y.sum() + h.square().sum()).backward()
    return inp.grad, [p.grad for p in rnn.parameters()]


@program(x=(2, 5, 8))
def attention_backward(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    att = nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.enable_grad():
        inp = x.detach().requires_grad_()
        y, w = att(inp, inp, inp, attn_mask=nn.Transformer.generate_square_subsequent_mask(5), need_weights=True)
        z = F.scaled_dot_product_attention(inp[:, None], inp[:, None], inp[:, None], is_causal=True)
        (y.square().sum() + z.sum()).backward()
    return inp.grad, [p.grad for p in att.parameters()], w.detach()


@program(x=(2, 3, 8, 8))
def unet_training(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    down, up, out = nn.Conv2d(3, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 2, 2), nn.Conv2d(7, 3, 1)
    params = [*down.parameters(), *up.parameters(), *out.parameters()]
    with torch.enable_grad():
        h = F.silu(F.group_norm(down(x), 2))
        y = out(
            torch.cat(
                [up(h), F.interpolate(F.max_pool2d(x, 2), scale_factor=2, mode="bilinear", align_corners=False)], 1
            )
        )
        F.smooth_l1_loss(y, x).backward()
    return [p.grad for p in params]


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


@program(x=(4, 3))
def multi_grad_and_inputs(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    with torch.enable_grad():
        y = b(a(x).relu())
        torch.autograd.backward([y.sum(), y.square().sum()], inputs=list(b.parameters()))
        g = torch.autograd.grad(a(x).sum(), [a.weight, b.weight], allow_unused=True, materialize_grads=True)
        batched = torch.autograd.grad(a(x), a.bias, torch.eye(12).reshape(12, 4, 3), is_grads_batched=True)
    return [p.grad for p in b.parameters()], a.weight.grad is None, g, batched


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
