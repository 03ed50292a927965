"""Hard programs of derivatives: rules of one's own, hooks, optimizers, transforms, and what torch lets one intercept."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from tests.flashlight.zoo.programs import program

Tensor = torch.Tensor


class _Cube(torch.autograd.Function):
    """Has rules for both modes of differentiation, for vmap, and a context that is set up apart."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return x**3, 3 * x**2

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0], output[1])
        ctx.save_for_forward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, slope = ctx.saved_tensors
        return gradients[0] * slope + gradients[1] * 6 * x

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        return tangents[0] * slope, tangents[0] * 6 * x


@program(x=(4, 3))
def function_under_transforms(x: Tensor) -> Any:
    def cube(y: Tensor) -> Tensor:
        return _Cube.apply(y)[0]  # type: ignore[no-any-return]

    slopes = torch.vmap(torch.func.grad(lambda row: cube(row).sum()))(x)
    curves = torch.func.hessian(lambda row: cube(row).sum())(x[0])
    return slopes, curves, torch.func.jvp(cube, (x,), (x * 2,))


class _Reversible(torch.autograd.Function):
    """A block that keeps its results only, and computes its inputs again from them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, first: Any, second: Any) -> Tensor:
        a, b = x.chunk(2, -1)
        a = a + first(b)
        b = b + second(a)
        ctx.parts = first, second
        y = torch.cat([a, b], -1)
        ctx.save_for_backward(y.detach())
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        first, second = ctx.parts
        a, b = y.chunk(2, -1)
        da, db = gradients[0].chunk(2, -1)
        with torch.enable_grad():
            a = a.detach().requires_grad_()
            torch.autograd.backward(second(a), db)
        da = da + a.grad  # type: ignore[operator]
        with torch.no_grad():
            b = b - second(a)
        with torch.enable_grad():
            b = b.detach().requires_grad_()
            torch.autograd.backward(first(b), da)
        return torch.cat([da, db + b.grad], -1), None, None  # type: ignore[operator]


@program(x=(3, 8))
def reversible_blocks(x: Tensor) -> Any:
    torch.manual_seed(3)
    parts = [nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(4)]
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        hidden = _Reversible.apply(_Reversible.apply(leaf, *parts[:2]), *parts[2:])
        hidden.square().sum().backward()
    return hidden.detach(), leaf.grad, [[weight.grad for weight in part.parameters()] for part in parts]


@program(x=(4, 6))
def backward_twice(x: Tensor) -> Any:
    torch.manual_seed(3)
    layer = nn.Linear(6, 3)
    with torch.enable_grad():
        loss = layer(x).tanh().sum()
        loss.backward(retain_graph=True)
        first = layer.weight.grad.clone()  # type: ignore[union-attr]
        loss.backward(inputs=[layer.weight])
    layer.bias.grad.zero_()  # type: ignore[union-attr]
    layer.weight.requires_grad_(False).sub_(layer.weight.grad * 0.1)  # type: ignore[operator]
    return first, layer.weight.grad, layer.bias.grad, layer.weight.detach(), layer(x).detach()


@program(x=(4, 5))
def hooks_before_backward(x: Tensor) -> Any:
    torch.manual_seed(3)
    model, seen = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), []
    model[0].register_full_backward_pre_hook(lambda module, gradients: (gradients[0] * 2,))
    model[2].register_forward_pre_hook(lambda module, args, kwargs: ((args[0] * 0.5,), kwargs), with_kwargs=True)
    handle = model.register_forward_hook(lambda module, args, output: seen.append(output.detach()) or output.exp())
    with torch.enable_grad():
        y = model(x)
        y.register_hook(lambda g: g.clamp(max=0.5))
        y.grad_fn.register_prehook(lambda gradients: (gradients[0] * 3,))
        y.sum().backward()
    handle.remove()
    return [weight.grad for weight in model.parameters()], seen, model(x).detach(), len(model._forward_hooks)


@program(x=(3, 8))
def checkpoints_with_dropout(x: Tensor) -> Any:
    torch.manual_seed(3)
    blocks = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.4), nn.GELU()) for _ in range(3)])
    with torch.enable_grad():
        hidden = x.detach().requires_grad_()
        leaf = hidden
        for place, block in enumerate(blocks):
            hidden = checkpoint(block, hidden, use_reentrant=place == 1)
        hidden.square().sum().backward()
    return hidden.detach(), leaf.grad, [weight.grad for weight in blocks.parameters()], torch.rand(2)


class _Orthogonalised(torch.optim.Optimizer):
    """Steps along the orthogonal part of the momentum, found by five turns of Newton and Schulz."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                momentum = state.setdefault("momentum", torch.zeros_like(parameter))
                momentum.lerp_(parameter.grad, 0.1)
                update = momentum / (momentum.norm() + 1e-7)
                for _ in range(5):
                    square = update @ update.mT
                    update = 1.5 * update - 0.5 * square @ update
                parameter.add_(update, alpha=-group["lr"])


@program(x=(5, 4))
def an_optimizer_of_ones_own(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 2, bias=False))
    optimizer = _Orthogonalised(model.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=4, cycle_momentum=False)
    with torch.enable_grad():
        for _ in range(3):
            optimizer.zero_grad()
            F.huber_loss(model(x), x[:, :2]).backward()
            optimizer.step()
            schedule.step()
    return [weight.detach() for weight in model.parameters()], optimizer.state_dict()["state"]


@program(x=(6, 3), t=(6, 2))
def sharpness_aware_steps(x: Tensor, t: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Linear(3, 2)
    groups = [{"params": [model.weight], "weight_decay": 0.1}, {"params": [model.bias], "lr": 0.5}]
    base = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    with torch.enable_grad():
        for turn in range(2):
            F.mse_loss(model(x), t).backward()
            norm = nn.utils.get_total_norm([weight.grad for weight in model.parameters()])
            kept = [weight.detach().clone() for weight in model.parameters()]
            with torch.no_grad():
                torch._foreach_add_(list(model.parameters()), [w.grad * 0.05 / norm for w in model.parameters()])
            model.zero_grad()
            F.mse_loss(model(x), t).backward()
            with torch.no_grad():
                torch._foreach_copy_(list(model.parameters()), kept)
            base.step()
            base.zero_grad()
            if turn == 0:
                base.load_state_dict(copy.deepcopy(base.state_dict()))
    return model.weight.detach(), model.bias.detach(), [state["momentum_buffer"] for state in base.state.values()]


@program(x=(4, 6))
def losses_that_are_scaled(x: Tensor) -> Any:
    torch.manual_seed(3)
    model, scaler = nn.Linear(6, 2), torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with torch.enable_grad():
        for _ in range(2):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
    return model.weight.detach(), scaler._scale, scaler._growth_tracker


@program(x=(5, 4))
def teacher_and_student(x: Tensor) -> Any:
    torch.manual_seed(3)
    student = nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    teacher = copy.deepcopy(student).requires_grad_(False)
    center, optimizer = torch.zeros(3), torch.optim.AdamW(student.parameters(), 0.01)
    with torch.enable_grad():
        for _ in range(2):
            with torch.no_grad():
                aim = ((teacher(x.flip(0)) - center) / 0.5).softmax(-1)
                center.lerp_(aim.mean(0), 0.1)
            loss = -(aim * student(x).log_softmax(-1)).sum(-1).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            for mine, theirs in zip(teacher.parameters(), student.parameters(), strict=True):
                mine.data.mul_(0.9).add_(theirs.data, alpha=0.1)
    return loss.detach(), center, dict(teacher.state_dict())


@program(x=(3, 4))
def integrated_both_ways(x: Tensor) -> Any:
    torch.manual_seed(3)
    field = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4))

    def step(y: Tensor, size: float) -> Tensor:
        a = field(y)
        b = field(y + size / 2 * a)
        c = field(y + size / 2 * b)
        return y + size / 6 * (a + 2 * b + 2 * c + field(y + size * c))

    with torch.enable_grad():
        y = x.detach().requires_grad_()
        z = step(step(y, 0.5), 0.5)
        adjoint = torch.autograd.grad(z.square().sum(), y, create_graph=True)[0]
        trace = torch.stack([torch.autograd.grad(z[:, i].sum(), y, retain_graph=True)[0][:, i] for i in range(4)]).sum(
            0
        )
        penalty = adjoint.norm() + trace.sum()
        weights = torch.autograd.grad(penalty, list(field.parameters()), allow_unused=True)
    return z.detach(), adjoint.detach(), trace, weights


@program(x=(2, 3, 4, 8))
def attention_under_vmap(x: Tensor) -> Any:
    def attend(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
        return F.scaled_dot_product_attention(q[None], k[None], k[None], attn_mask=mask)[0]

    mask = torch.ones(3, 4, 4).tril()
    plain = torch.vmap(attend, (0, 0, None))(x, x.flip(0), None)
    biased = torch.vmap(torch.vmap(attend, (0, 0, 0)), (0, 0, None))(x, x, mask.log())
    slopes = torch.vmap(torch.func.grad(lambda q: attend(q, q, None).sum()))(x)
    return plain, biased, slopes


@program(x=(4, 6))
def gradients_of_batches(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 4, bias=False), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 4))
    weights = {name: value.detach() for name, value in model.named_parameters()}
    jacobian = torch.func.jacrev(lambda p: torch.func.functional_call(model, p, (x,)).tanh().sum(0))(weights)
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y = model(leaf)
        rows = torch.autograd.grad(y[0], leaf, torch.eye(4), is_grads_batched=True)[0]
    mixed = torch.func.jacfwd(torch.func.jacrev(lambda v: (v.sin() @ v).exp()))(x[0] * 0.1)
    return jacobian, rows, mixed


@program(x=(2, 64))
def filtered_spectra(x: Tensor) -> Any:
    window = torch.hann_window(16)
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        spectrum = torch.stft(leaf, 16, 4, window=window, return_complex=True)
        mask = torch.polar(torch.sigmoid(spectrum.abs() - 1), spectrum.angle() * 0.1)
        wave = torch.istft(spectrum * mask, 16, 4, window=window, length=64)
        (wave.square().sum() + torch.view_as_real(torch.fft.rfft(wave)).abs().sum()).backward()
    analytic = torch.fft.ifft(
        torch.fft.fft(x) * torch.cat([torch.ones(1), torch.full((31,), 2.0), torch.ones(1), torch.zeros(31)])
    )
    return wave.detach(), leaf.grad, analytic.abs(), torch.fft.fftshift(torch.fft.rfft2(x.view(2, 8, 8)).real)


@program(x=(4, 3))
def complex_parameters(x: Tensor) -> Any:
    torch.manual_seed(3)
    weight = nn.Parameter(torch.randn(3, 2, dtype=torch.complex64))
    optimizer = torch.optim.Adam([weight], 0.05)
    with torch.enable_grad():
        for _ in range(2):
            optimizer.zero_grad()
            y = x.to(torch.complex64) @ weight
            loss = (y * y.conj()).real.sum() + y.imag.square().mean() + torch.linalg.vector_norm(y)
            loss.backward()
            optimizer.step()
    return loss.detach(), torch.view_as_real(weight.detach()), weight.grad.abs()  # type: ignore[union-attr]


@program(x=(3, 2, 4, 4))
def weights_made_of_inputs(x: Tensor) -> Any:
    torch.manual_seed(3)
    make = nn.Linear(2, 4 * 2 * 3 * 3)
    kernels = make(x.mean((2, 3))).view(12, 2, 3, 3)
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y = F.conv2d(leaf.reshape(1, 6, 4, 4), kernels, padding=1, groups=3).view(3, 4, 4, 4)
        z = F.conv_transpose2d(y, torch.ones(4, 2, 2, 2), stride=2, output_padding=1)
        grid = F.affine_grid(torch.eye(2, 3).expand(3, 2, 3) + 0.1, (3, 2, 5, 5), align_corners=False)
        w = F.grid_sample(z, grid, padding_mode="reflection", align_corners=False)
        w.square().mean().backward()
    return w.detach(), leaf.grad


@program(x=(3, 5, 4))
def packed_in_any_order(x: Tensor) -> Any:
    torch.manual_seed(3)
    rnn = nn.GRU(4, 3, num_layers=2, bidirectional=True, batch_first=True)
    lengths = torch.tensor([2, 5, 3])
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        packed = nn.utils.rnn.pack_padded_sequence(leaf, lengths, batch_first=True, enforce_sorted=False)
        output, last = rnn(packed)
        padded, sizes = nn.utils.rnn.pad_packed_sequence(output, batch_first=True, padding_value=-1.0)
        (padded.square().sum() + last.sum()).backward()
    parts = nn.utils.rnn.unpack_sequence(nn.utils.rnn.pack_sequence([x[0, :4], x[1, :2]]))
    return padded.detach(), sizes, last.detach(), leaf.grad, parts


@program(x=(2, 4), y=(3, 4))
def nested_parts(x: Tensor, y: Tensor) -> Any:
    torch.manual_seed(3)
    layer = nn.Linear(4, 4)
    nested = torch.nested.as_nested_tensor([x, y])
    hidden = layer(nested).relu()
    padded = torch.nested.to_padded_tensor(hidden, -1.0)
    scores = torch.matmul(hidden, hidden.transpose(1, 2)).softmax(-1)
    return padded, [part * 2 for part in hidden.unbind()], [part.sum() for part in scores.unbind()]


class _Meters(torch.Tensor):
    """A tensor that knows its unit, and keeps it through functions."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_function__(func, types, args, kwargs or {})
        return result * 1.0 if func is torch.Tensor.add else result


class _Doubled(TorchFunctionMode):
    """Doubles what sin returns."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        return result * 2 if func is torch.sin else result


class _Counted(TorchDispatchMode):
    """Counts operations, and changes one."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        result = func(*args, **(kwargs or {}))
        return result + 1 if func is torch.ops.aten.cos.default else result


@program(x=(3, 4))
def intercepted_functions(x: Tensor) -> Any:
    torch.manual_seed(3)
    meters, layer = x.as_subclass(_Meters), nn.Linear(4, 4)
    with _Doubled():
        doubled = torch.sin(x)
    with _Counted() as counted:
        moved = torch.cos(x) * 2
    with FlopCounterMode(display=False) as flops:
        y = layer(x)
    return meters.add(1).as_subclass(Tensor), doubled, moved, torch.tensor([counted.count, flops.get_total_flops()]), y


def _norms_of_parts(x: Tensor, parts: list[Tensor], scale: float | None) -> dict[str, Tensor]:
    result = {"sum": x.sum()}
    for place, part in enumerate(parts):
        if scale is not None and place > 0:
            part = part * scale
        result[f"part {place}"] = part.norm() + x[place]
    return result


class _Scripted(nn.Module):
    """A block of which torch makes a script, with a norm in training."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.layer = nn.BatchNorm1d(4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = torch.relu(self.norm(self.layer(x))) + x
        return x


@program(x=(5, 4))
def scripts_with_containers(x: Tensor) -> Any:
    torch.manual_seed(3)
    block = torch.jit.script(_Scripted())
    future = torch.jit.fork(torch.tanh, x)
    y = block(x)
    norms = torch.jit.script(_norms_of_parts)(x[0], [x[1], x[2], x[3]], 0.5)
    return y, dict(block.named_buffers()), norms, torch.jit.wait(future), block.eval()(x)


@program(x=(4, 3))
def normed_weights_in_training(x: Tensor) -> Any:
    torch.manual_seed(3)
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3), n_power_iterations=2)
    other = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 2, 1), dim=None)
    with torch.enable_grad():
        loss = layer(x).square().sum() + layer(x * 2).sum() + other(x.T[None]).sum()
        loss.backward()
    taken = nn.utils.parametrize.remove_parametrizations(other, "weight", leave_parametrized=True)
    return loss.detach(), [p.grad for p in layer.parameters()], dict(layer.named_buffers()), taken.weight.detach()


@program(x=(4, 5))
def derivatives_of_writes(x: Tensor) -> Any:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y = leaf * 1
        y[y < 0] = 0
        y[:, 1:] += y[:, :-1].clone()
        y.T[2].mul_(leaf[0, 0])
        part = y[1]
        part.mul_(part.detach().exp())
        y.index_add_(0, torch.tensor([0, 0]), leaf[2:])
        z = torch.zeros(4, 5).masked_scatter(leaf > 0, leaf) + y.put(torch.tensor([3]), leaf[3, 3:4])
        (z * y).sum().backward()
    return z.detach(), leaf.grad
