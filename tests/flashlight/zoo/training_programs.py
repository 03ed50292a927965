"""Hard programs of training: optimizers, gradients, hooks on them, and checkpoints."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.utils.prune
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
)

from tests.flashlight.zoo.programs import program


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


@program(x=(6, 2))
def normalizing_flow(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    scale, shift, turn = nn.Linear(1, 1), nn.Linear(1, 1), nn.Parameter(torch.randn(2, 2))
    optimizer = torch.optim.Adam([*scale.parameters(), *shift.parameters(), turn], 0.05)
    with torch.enable_grad():
        for _ in range(2):
            optimizer.zero_grad()
            a, b = (x @ turn).chunk(2, 1)
            s = scale(a).tanh()
            z = torch.cat([a, b * s.exp() + shift(a)], 1)
            prior = torch.distributions.Normal(0, 1).log_prob(z).sum(1)
            loss = -(prior + s.sum(1) + torch.linalg.slogdet(turn)[1]).mean()
            loss.backward()
            optimizer.step()
    return loss.detach(), turn.detach()


@program(x=(4, 6))
def norms_of_weights_in_training(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    first = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 4)).train()
    second = nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))
    optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], 0.1)
    with torch.enable_grad():
        for _ in range(2):
            optimizer.zero_grad()
            second(first(x)).square().mean().backward()
            optimizer.step()
    return first.weight.detach(), second.weight.detach(), dict(first.named_buffers())


@program(x=(3,))
def implicit_fixed_point(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    weight = torch.randn(3, 3) * 0.1
    with torch.no_grad():
        z = torch.zeros(3)
        for _ in range(20):
            z = torch.tanh(weight @ z + x)
    with torch.enable_grad():
        start, given = z.clone().requires_grad_(), x.detach().requires_grad_()
        output = torch.tanh(weight @ start + given)
        pulled = torch.ones(3)
        for _ in range(20):
            pulled = torch.autograd.grad(output, start, pulled, retain_graph=True)[0] + 1
        (slope,) = torch.autograd.grad(output, given, pulled)
    return z, slope


@program(x=(4, 8))
def selective_checkpoint(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    block = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8), nn.Dropout(0.3)).train()

    def policy(ctx, operation, *args, **kwargs):
        is_product = operation == torch.ops.aten.mm.default
        return CheckpointPolicy.MUST_SAVE if is_product else CheckpointPolicy.PREFER_RECOMPUTE

    with torch.enable_grad():
        y = checkpoint(block, x, use_reentrant=False, context_fn=lambda: create_selective_checkpoint_contexts(policy))
        z = checkpoint(block, y, use_reentrant=False, preserve_rng_state=True)
        z.sum().backward()
    return z.detach(), block[0].weight.grad
