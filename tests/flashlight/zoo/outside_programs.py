"""Hard programs that leave torch's usual ways: shared memory, operators of one's own, torch's compilers, quantisers, distributions."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import allow_mutation_on_saved_tensors, register_multi_grad_hook
from torch.nn import functional as F

from tests.flashlight.zoo.programs import program

Tensor = torch.Tensor


@program(x=(3, 4))
def storages_that_are_shared(x: Tensor) -> Any:
    y = x.clone()
    z = torch.empty(0).set_(y.untyped_storage(), 2, (2, 3), (4, 1))  # type: ignore[call-overload]
    z.mul_(-1)
    w = torch.empty(0).set_(y)  # type: ignore[call-overload]
    w[2] = 3
    grown = torch.arange(6.0).resize_(2, 2).add_(x[0, 0])
    return y, z, w, grown, torch.tensor(y.data_ptr() == w.data_ptr())


@program(x=(3, 4))
def copies_and_pickles_of_values(x: Tensor) -> Any:
    y = (x * 2).exp()
    twin, shallow, file = copy.deepcopy(y), copy.copy(y), io.BytesIO()
    y.add_(1)
    torch.save({"y": y}, file)
    file.seek(0)
    return twin, shallow, torch.load(file)["y"] * 1, pickle.loads(pickle.dumps(y[0])) + x[1]


@program(x=(3, 5))
def places_that_python_works_out(x: Tensor) -> Any:
    largest, length = x.argmax(), torch.tensor(2)
    rows, columns = torch.tensor([2, 0]), [0, 3]
    sizes = torch.tensor([1, 3, 1]).tolist()
    return (
        x[:, :length],
        x.flatten()[largest],
        x[rows, None, 1:][..., 0],
        x[rows][:, columns],
        x[..., None, [1, 1]],
        x.split(sizes, 1),
    )


@program(x=(2, 4, 6, 6))
def strides_of_channels(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.SiLU(), nn.Conv2d(8, 4, 1))
    model = model.to(memory_format=torch.channels_last)
    y = model(x.contiguous(memory_format=torch.channels_last))
    is_last = y.is_contiguous(memory_format=torch.channels_last)
    flat = torch.as_strided(y, (y.numel(),), (1,)) if is_last else y.flatten()
    y.permute(0, 2, 3, 1).view(-1, 4)[0] = 1
    return y, flat[:20], y.contiguous().view(2, -1)[:, :9], F.pixel_shuffle(y, 2), F.avg_pool2d(y, 2).reshape(-1)[:7]


@program(x=(4, 6))
def dtypes_of_modules(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4)).double()
    first = model(x.double())
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        made = torch.linspace(0, 1, 6) + torch.tensor([0.1]) * x
    finally:
        torch.set_default_dtype(before)
    return (
        first,
        model.float()(x),
        made,
        model.half().float()(x),
        x.to(torch.int8).sum(),
        (x > 0).sum(0, dtype=torch.int32),
    )


@torch.library.custom_op("zoo::scaled_sum", mutates_args=())
def _scaled_sum(x: Tensor, scale: float) -> Tensor:
    return (x * scale).sum(-1)


@_scaled_sum.register_fake
def _(x: Tensor, scale: float) -> Tensor:
    return x.new_empty(x.shape[:-1])


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.scale, ctx.width = inputs[1], inputs[0].shape[-1]


_scaled_sum.register_autograd(
    lambda ctx, g: (g[..., None].expand(*g.shape, ctx.width) * ctx.scale, None), setup_context=_keep
)


@torch.library.custom_op("zoo::shift_in_place", mutates_args=("x",))
def _shift_in_place(x: Tensor, by: Tensor) -> None:
    x.add_(by)


@program(x=(4, 5))
def operators_of_ones_own(x: Tensor) -> Any:
    y = x.clone()
    _shift_in_place(y[1:], x[0])
    with torch.enable_grad():
        leaf = y.detach().requires_grad_()
        total = _scaled_sum(leaf.sin(), 2.0)
        total.square().sum().backward()
    return y, total.detach(), leaf.grad


@program(x=(4, 5))
def graphs_of_torch(x: Tensor) -> Any:
    from torch.fx.experimental.proxy_tensor import make_fx

    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 2)).eval()
    symbolic = torch.fx.symbolic_trace(model)
    made = make_fx(lambda y: y.softmax(-1) * 2)(torch.ones(4, 5))
    exported = torch.export.export(model, (torch.ones(4, 5),)).module()
    return symbolic(x), made(x), exported(x), torch.fx.Interpreter(symbolic).run(x)


@program(x=(4, 5))
def compiled_training(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(0.3), nn.Linear(4, 2))
    compiled = torch.compile(model, backend="aot_eager", dynamic=True)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)

    @torch.compile(backend="inductor")
    def loss(y: Tensor) -> Tensor:
        return y.square().mean() + y.abs().logsumexp(0).sum()

    with torch.enable_grad():
        value = loss(compiled(x))
        value.backward()
        optimizer.step()
    return value.detach(), model[3].weight.detach(), model[1].running_var


@program(x=(4, 6))
def observers_of_quantisation(x: Tensor) -> Any:
    from torch.ao import quantization

    torch.manual_seed(3)
    observer = quantization.MovingAverageMinMaxObserver.with_args(dtype=torch.quint8, averaging_constant=0.5)
    fake = quantization.FakeQuantize(observer=observer, quant_min=0, quant_max=255)
    channels = quantization.FakeQuantize(
        observer=quantization.MovingAveragePerChannelMinMaxObserver, quant_min=-128, quant_max=127, dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
    )  # fmt: skip
    layer = nn.Linear(6, 4)
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y = F.linear(fake(leaf), channels(layer.weight), layer.bias)
        fake(y * 3).square().sum().backward()
    return y.detach(), leaf.grad, layer.weight.grad, fake.scale, fake.zero_point, dict(fake.named_buffers())["scale"]


@program(x=(5, 3))
def optimizers_that_are_differentiated(x: Tensor) -> Any:
    torch.manual_seed(3)
    start, rate = torch.randn(3, requires_grad=True), torch.tensor(0.1, requires_grad=True)
    with torch.enable_grad():
        weight = start.clone()
        weight.retain_grad()
        optimizer = torch.optim.SGD([weight], lr=0.5, momentum=0.9, nesterov=True, differentiable=True)
        for _ in range(2):
            (gradient,) = torch.autograd.grad((x @ weight).tanh().square().sum(), weight, create_graph=True)
            weight.grad = gradient * rate
            optimizer.step()
        (x @ weight).square().mean().backward()
    return weight.detach(), start.grad, rate.grad


@program(x=(4, 3))
def gradients_of_distributions(x: Tensor) -> Any:
    from torch import distributions as D

    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        relaxed = D.RelaxedOneHotCategorical(torch.tensor(0.5), logits=leaf).rsample()
        mixture = D.MixtureSameFamily(D.Categorical(logits=leaf[0]), D.Normal(leaf[1], leaf[2].exp()))
        squashed = D.TransformedDistribution(D.Normal(leaf, 1.0), [D.TanhTransform(cache_size=1)])
        action = squashed.rsample()
        total = relaxed[:, 1].sum() + mixture.log_prob(torch.tensor(0.3))
        (total + squashed.log_prob(action).sum() + D.Laplace(leaf, 1.0).rsample().sum()).backward()
    student = (
        D.StudentT(5.0, x, 1.0).log_prob(x * 2),
        D.VonMises(x, 1.0).log_prob(x),
        D.Poisson(x.exp()).log_prob(torch.ones(3)),
    )
    return leaf.grad, student, D.kl_divergence(D.Beta(x.exp(), 1.0), D.Beta(2.0, 1.0)), action.detach()


@program(x=(4, 5))
def hooks_of_the_graph(x: Tensor) -> Any:
    torch.manual_seed(3)
    layer, seen = nn.Linear(5, 3), []
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y = layer(leaf)
        y.grad_fn.register_hook(lambda given, taken: tuple(g * 2 if g is not None else None for g in given))
        register_multi_grad_hook((leaf, layer.weight), lambda gradients: seen.append(sum(g.norm() for g in gradients)))
        with allow_mutation_on_saved_tensors():
            z = y.sin()
            w = z.square()
            y.mul_(0)
            z.fill_(1)
            w.sum().backward()
        with torch.no_grad():
            layer.bias.copy_(leaf.grad[0, :3])
    return leaf.grad, layer.weight.grad, seen, layer.bias.detach(), y.detach()


class _OfHalfPrecision(torch.autograd.Function):
    """Computes in float32 under autocast, forward and back."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * ctx.saved_tensors[0].cos()


@program(x=(4, 8))
def functions_under_autocast(x: Tensor) -> Any:
    torch.manual_seed(3)
    layer = nn.Linear(8, 8)
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = _OfHalfPrecision.apply(layer(leaf).float().round(decimals=1))
            kept = hidden.dtype == torch.float32
        hidden.sum().backward()
    return torch.tensor(kept), leaf.grad.abs().sum() > 0, layer.bias.grad.isfinite().all()


@program(x=(3, 4))
def layers_made_on_meta(x: Tensor) -> Any:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    model = model.to_empty(device="cpu")
    torch.manual_seed(3)
    for layer in model:
        layer.reset_parameters()
    state = {name: value.clone() * 2 for name, value in model.state_dict().items()}
    model.load_state_dict(state, assign=True)
    skipped = nn.utils.skip_init(nn.Linear, 4, 2)
    skipped.weight.data, skipped.bias.data = state["1.weight"] + x[:2], x[2, :2]
    return model(x), skipped(x)


@program(x=(3, 4), y=(3, 4))
def writes_under_vmap(x: Tensor, y: Tensor) -> Any:
    def change(row: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        result = row.clone()
        result[1:3] = other[:2]
        result.masked_fill_(row > 0.5, 0.0)
        result[torch.tensor([0, 0])] = other[3]
        result.index_add_(0, torch.tensor([1, 1]), other[:2])
        return result.sort().values, result.cumsum(0).scatter(0, torch.tensor([2]), other[:1])

    chosen = torch.vmap(lambda row, place: row.gather(0, place[None]) + torch.zeros(4).index_fill(0, place[None], 1.0))
    return torch.vmap(change)(x, y), chosen(x, torch.tensor([3, 0, 2]))


@program(x=(2, 4, 8), y=(2, 3, 8))
def attention_of_nested_parts(x: Tensor, y: Tensor) -> Any:
    torch.manual_seed(3)
    project = nn.Linear(8, 8)
    jagged = torch.nested.as_nested_tensor([x[0], y[0], x[1, :2]], layout=torch.jagged)
    hidden = project(jagged)
    heads = hidden.unflatten(-1, (2, 4)).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(heads, heads, heads).transpose(1, 2).flatten(-2)
    normed = F.layer_norm(mixed + hidden, (8,))
    return (
        torch.nested.to_padded_tensor(normed, 0.0),
        normed.values(),
        jagged.offsets(),
        [part.sum() for part in hidden.unbind()],
    )


@program(x=(5, 2, 4))
def recurrent_layers_with_all_that_they_take(x: Tensor) -> Any:
    torch.manual_seed(3)
    lstm = nn.LSTM(4, 6, num_layers=2, proj_size=3, dropout=0.4, bidirectional=True)
    gru, rnn = nn.GRU(4, 3, bias=False, batch_first=True), nn.RNN(4, 3, num_layers=2)
    states = torch.randn(4, 2, 3), torch.randn(4, 2, 6)
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        output, (hidden, cell) = lstm(leaf, states)
        output.square().sum().backward()
    return (
        output.detach(),
        hidden.detach(),
        cell.detach(),
        leaf.grad,
        gru(x)[0],
        rnn(x, torch.ones(2, 2, 3))[1],
        gru(x[0])[0],
    )


@program(x=(4, 3, 8, 8))
def layers_that_draw(x: Tensor) -> Any:
    torch.manual_seed(3)
    pool = nn.FractionalMaxPool2d(2, output_ratio=0.5, return_indices=True)
    hard = F.gumbel_softmax(x.flatten(1)[:, :5], hard=True)
    return (
        F.rrelu(x, training=True),
        F.alpha_dropout(x, 0.3, training=True),
        F.feature_alpha_dropout(x, 0.3, training=True),
        F.dropout2d(x, 0.5),
        pool(x),
        hard,
        nn.init.kaiming_normal_(torch.empty(3, 3)) @ x[0, 0, :3],
        torch.rand_like(x[0]) < 0.5,
    )


@program(x=(12, 4))
def statistics_of_averaged_weights(x: Tensor) -> Any:
    torch.manual_seed(3)
    model, counts = nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 2)), []
    averaged = torch.optim.swa_utils.AveragedModel(model, use_buffers=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    optimizer.register_step_post_hook(lambda *given: counts.append(averaged.update_parameters(model)))
    schedule = torch.optim.swa_utils.SWALR(optimizer, 0.05, anneal_epochs=2)
    with torch.enable_grad():
        for part in x.split(6):
            model.zero_grad()
            model(part).square().mean().backward()
            optimizer.step()
            schedule.step()
    torch.optim.swa_utils.update_bn(x.split(4), averaged)
    return averaged.eval()(x), averaged.n_averaged, dict(averaged.named_buffers())["module.1.running_mean"]


@program(x=(6, 8))
def losses_with_parameters(x: Tensor) -> Any:
    torch.manual_seed(3)
    adaptive = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7])
    target = torch.tensor([0, 3, 5, 8, 11, 2])
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        output, loss = adaptive(leaf, target)
        (loss + F.triplet_margin_with_distance_loss(leaf[:2], leaf[2:4], leaf[4:], swap=True)).backward()
    contrast = (
        F.cosine_embedding_loss(x[:3], x[3:], torch.tensor([1, -1, 1])),
        F.poisson_nll_loss(x, x.abs(), full=True),
    )
    return output.detach(), loss.detach(), leaf.grad, adaptive.log_prob(x), adaptive.predict(x), contrast


@program(x=(3, 4))
def steps_until_a_gradient_is_small(x: Tensor) -> Any:
    weight, turns = nn.Parameter(torch.zeros(4)), 0
    optimizer = torch.optim.SGD([weight], 0.2)
    with torch.enable_grad():
        while turns < 6:
            optimizer.zero_grad()
            loss = (torch.cosh((x / 4) @ weight - 1)).sum()
            loss.backward()
            if weight.grad.norm() < 0.05:
                break
            optimizer.step()
            turns += 1
    return weight.detach(), loss.detach(), torch.tensor(turns)
