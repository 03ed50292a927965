"""Hard programs of torch's tools: transforms, hooks, optimizers, functions of one's own, control flow, and memory from elsewhere."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.flashlight.zoo.programs import PROGRAMS, program

Tensor = torch.Tensor


@program(x=(2, 3, 8))
def static_cache(x: Tensor) -> Any:
    keys, outputs = torch.zeros(2, 6, 8), []
    for step in range(3):
        keys.index_copy_(1, torch.tensor([step + 1]), x[:, step : step + 1])
        outputs.append((keys @ x[:, step, :, None]).squeeze(-1).softmax(-1))
    return torch.stack(outputs), keys


@program(x=(4, 3))
def averaged_model(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Linear(3, 3)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    for row in x[:2]:
        model.weight.data.add_(row)
        average.update_parameters(model)
    return average(x), average.module.weight.detach()


@program(x=(4, 3))
def ensemble(x: Tensor) -> Any:
    torch.manual_seed(3)
    models = [nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)) for _ in range(3)]
    parameters, buffers = torch.func.stack_module_state(models)  # type: ignore[arg-type]  # a list of modules
    call = torch.func.functional_call
    return torch.vmap(lambda p, b, y: call(models[0], (p, b), (y,)), (0, 0, None))(parameters, buffers, x)


@program(x=(4, 3), y=(4, 2))
def gradients_of_each_sample(x: Tensor, y: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Linear(3, 2)
    weights = {name: value.detach() for name, value in model.named_parameters()}

    def loss(weights: dict[str, Tensor], one: Tensor, wanted: Tensor) -> Tensor:
        return F.mse_loss(torch.func.functional_call(model, weights, (one[None],)), wanted[None])

    return torch.vmap(torch.func.grad(loss), (None, 0, 0))(weights, x, y)


@program(x=(4, 3))
def hooks_of_gradients(x: Tensor) -> Any:
    torch.manual_seed(3)
    layer, seen = nn.Linear(3, 3), []
    layer.register_full_backward_hook(lambda module, given, taken: (given[0] * 2,))
    layer.weight.register_hook(lambda g: g * 3)
    layer.weight.register_post_accumulate_grad_hook(lambda weight: seen.append(weight.grad.clone()))
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        hidden = layer(leaf)
        hidden.register_hook(lambda g: g + 1)
        hidden.square().sum().backward()
    return leaf.grad, layer.weight.grad, seen


class _Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, limit: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limit = limit
        return x.clamp(-limit, limit)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return torch.where(x.abs() < ctx.limit, gradients[0], gradients[0] * 0.1), None


@program(x=(4, 3))
def function_with_a_gradient_of_its_own(x: Tensor) -> Any:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y = _Clip.apply(leaf * 2, 0.5)
        (gradient,) = torch.autograd.grad(y.sum(), leaf, create_graph=True)
    return y.detach(), gradient.detach()


def _steps(kind: str, settings: dict[str, Any]) -> Callable[[Tensor], Any]:
    def train(x: Tensor) -> Any:
        torch.manual_seed(3)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        optimizer = getattr(torch.optim, kind)(model.parameters(), **settings)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
        with torch.enable_grad():
            for _ in range(3):
                optimizer.zero_grad()
                loss = model(x).square().mean() + model(x).abs().sum()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
                schedule.step()
        return [weight.detach() for weight in model.parameters()], loss.detach()

    return train


_OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "adamw_of_lists": ("AdamW", {"lr": 0.01, "foreach": True, "amsgrad": True}),
    "fused_adamw": ("AdamW", {"lr": 0.01, "fused": True}),
    "rmsprop_of_lists": ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5, "foreach": True}),
    "adagrad": ("Adagrad", {"lr": 0.01}),
    "adadelta": ("Adadelta", {}),
    "nadam_of_lists": ("NAdam", {"foreach": True}),
    "radam_of_lists": ("RAdam", {"foreach": True}),
    "nesterov_of_lists": ("SGD", {"lr": 0.1, "nesterov": True, "momentum": 0.9, "weight_decay": 0.1, "foreach": True}),
    "fused_sgd": ("SGD", {"lr": 0.1, "fused": True, "momentum": 0.9}),
    "adamax": ("Adamax", {}),
    "rprop_of_lists": ("Rprop", {"foreach": True}),
    "asgd": ("ASGD", {}),
    "adafactor": ("Adafactor", {}),
}
for _name, _settings in _OPTIMIZERS.items():
    PROGRAMS[f"steps_of_{_name}"] = (_steps(*_settings), {"x": (5, 3)})


@program(x=(4, 2))
def lbfgs_with_line_search(x: Tensor) -> Any:
    weight = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.LBFGS([weight], max_iter=3, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = ((x @ weight - 1) ** 2).sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[arg-type]  # it may return a tensor
    return weight.detach()


@program(x=(5,))
def loop_until(x: Tensor) -> Any:
    turns, y = 0, x.abs() + 1
    while y.max() > 1.1:
        y, turns = y.sqrt(), turns + 1
    return y, torch.tensor(turns)


@program(x=(4,))
def higher_order_operations(x: Tensor) -> Any:
    return torch.cond(x.sum() > -100, lambda y: y.sin(), lambda y: y.cos(), (x,))


@program(x=(3, 4))
def exchanged_by_dlpack(x: Tensor) -> Any:
    y = torch.from_dlpack(x * 2)
    return y + 1, torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(y + 0))


@program(x=(6,))
def indices_that_repeat(x: Tensor) -> Any:
    index = torch.tensor([0, 1, 1, 3, 3, 3])
    sums = torch.zeros(4)
    sums[index] += x
    return sums[:1], torch.zeros(4).put_(index, x, accumulate=True), torch.zeros(4).scatter_add_(0, index, x)


@program(x=(4, 4))
def writes_of_odd_kinds(x: Tensor) -> Any:
    y = x.clone()
    torch.as_strided(y, (2, 2), (5, 1), 3).mul_(-1)
    y.index_fill_(1, torch.tensor([2]), 7.0)
    first, second = y.unbind()[:2]
    first.add_(1)
    y.hsplit(2)[1].neg_()
    y.T.fill_diagonal_(0)
    return y, first, second


@program(x=(3, 4))
def memory_that_changes_size(x: Tensor) -> Any:
    y, z = torch.empty(0), torch.zeros(12)
    y.resize_(3, 4).copy_(x)
    z.set_(y.view(-1))
    z[0] = 5
    return y, z


@program(x=(3, 4), y=(3, 4))
def distributions(x: Tensor, y: Tensor) -> Any:
    normal = torch.distributions.Normal(x, y.exp())
    categorical = torch.distributions.Categorical(logits=x)
    several = torch.distributions.MultivariateNormal(x[0], torch.eye(4) * 2)
    divergence = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    chosen = categorical.log_prob(torch.tensor([0, 1, 2]))
    return normal.log_prob(y), divergence, categorical.entropy(), chosen, several.log_prob(y), normal.rsample()


@program(x=(2, 5, 8))
def attention_layer_in_both_modes(x: Tensor) -> Any:
    torch.manual_seed(3)
    layer, padding = nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True), torch.zeros(2, 5).bool()
    padding[0, 3:] = True
    attended, weights = layer(x, x, x, key_padding_mask=padding)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    return attended, weights, layer.eval()(x, x, x, need_weights=False, attn_mask=mask, is_causal=True)[0]


@program(x=(4, 3))
def penalty_of_gradients(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.Softplus(), nn.Linear(4, 1))
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        total = torch.utils.checkpoint.checkpoint(model, leaf, use_reentrant=False).sum()
        (gradient,) = torch.autograd.grad(total, leaf, create_graph=True)
        ((gradient.norm(dim=1) - 1) ** 2).mean().backward()
    return [weight.grad for weight in model.parameters() if weight.grad is not None], gradient.detach()


@program(x=(4, 4))
def orthogonal_weights(x: Tensor) -> Any:
    torch.manual_seed(3)
    layer = nn.utils.parametrizations.orthogonal(nn.Linear(4, 4))
    return layer(x), layer.weight.detach()


@program(x=(4, 3))
def copied_and_loaded_modules(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Linear(3, 3)
    other, loaded, file = copy.deepcopy(model), nn.Linear(3, 3), io.BytesIO()
    other.load_state_dict({name: value * 2 for name, value in model.state_dict().items()})
    torch.save(other.state_dict(), file)
    file.seek(0)
    loaded.load_state_dict(torch.load(file))
    return other(x) + model(x), loaded(x)


@program(x=(4, 3))
def inference_mode_inside(x: Tensor) -> Any:
    torch.manual_seed(3)
    with torch.inference_mode():
        y, _ = nn.LSTM(3, 4)(x[:, None])
        heads = y.transpose(0, 1)[None]
        z = x.clone()
        z[0] = 1
        return y, F.scaled_dot_product_attention(heads, heads, heads), z


@program(x=(5, 4))
def decompositions(x: Tensor) -> Any:
    u, s, v = torch.linalg.svd(x, full_matrices=False)
    q, r = torch.linalg.qr(x)
    square = x.T @ x
    solution = torch.linalg.lstsq(x, torch.ones(5, 1)).solution
    return (
        s,
        (u * s) @ v,
        q @ r,
        torch.linalg.eigvalsh(square),
        solution,
        torch.linalg.pinv(x),
        torch.linalg.cond(square),
    )


@program(x=(8, 3))
def norms_of_all_batches(x: Tensor) -> Any:
    torch.manual_seed(3)
    norm, instance = nn.BatchNorm1d(3, momentum=None), nn.InstanceNorm1d(8, track_running_stats=True, affine=True)
    norm(x)
    y, z = norm(x * 2), instance(x[None])
    return y, norm.running_mean, norm.running_var, norm.num_batches_tracked, z, instance.running_mean


@program(x=(3, 4))
def draws_of_generators(x: Tensor) -> Any:
    generator, weight = torch.Generator().manual_seed(5), torch.empty(4, 4)
    noise, places = torch.randn(3, 4, generator=generator), torch.randint(0, 4, (3,), generator=generator)
    shift = torch.empty(3, 4).uniform_(generator=generator)
    nn.init.trunc_normal_(nn.init.orthogonal_(weight))
    return x * noise + shift, x[:, places], torch.multinomial(torch.ones(4), 2, generator=generator), x @ weight


@program(x=(4, 3))
def saved_tensors_that_are_packed(x: Tensor) -> Any:
    packing = torch.autograd.graph.saved_tensors_hooks(lambda saved: saved * 1.0, lambda packed: packed * 2)
    with torch.enable_grad(), packing, torch.autograd.set_detect_anomaly(True):
        leaf = x.detach().requires_grad_()
        (leaf.exp() * leaf).sum().backward()
    return leaf.grad


@program(x=(6, 4))
def pool_of_threads(x: Tensor) -> Any:
    with ThreadPoolExecutor(2) as pool:
        return torch.stack(list(pool.map(lambda number: (x[number] * number).softmax(-1), range(6))))


class _OfTheirOwn(torch.Tensor):
    """A class of tensors that torch's operations keep."""


@program(x=(3, 4))
def tensors_of_another_class(x: Tensor) -> Any:
    y = x.as_subclass(_OfTheirOwn)
    return (y * 2).sin().as_subclass(torch.Tensor), (y @ y.T).as_subclass(torch.Tensor)


@program(x=(6,))
def views_of_views(x: Tensor) -> Any:
    y = x.clone()
    a = y.view(2, 3)
    b = a.t()
    c = b[1:]
    d = c.reshape(-1)
    c += 1
    a[0, 0] = 9
    b.mul_(2)
    return y, a, b, c, d, torch.view_as_real(torch.view_as_complex(y.view(3, 2)).conj_physical_())


@program(x=(2, 3), y=(2, 3))
def exchanged_contents(x: Tensor, y: Tensor) -> Any:
    a, b = y.clone(), x.clone()
    a += b
    before = a.clone()
    a.copy_(b)
    b.copy_(before)
    parameter = nn.Parameter(a)
    parameter.data = b
    parameter.data.add_(1)
    return a, b, parameter.detach()


@program(x=(4, 3))
def layers_that_learn_their_sizes(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.LazyLinear(5), nn.LazyBatchNorm1d(), nn.ReLU())
    return model(x)


@program(x=(4, 6))
def accumulated_gradients(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Linear(6, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with torch.enable_grad():
        for part in x.chunk(2):
            (model(part).square().mean() / 2).backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.05)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    return model.weight.detach(), model.weight.grad, nn.utils.parameters_to_vector(model.parameters()).detach()


@program(x=(3, 8))
def quantised_products(x: Tensor) -> Any:
    scale = x.abs().amax(1, keepdim=True) / 127
    numbers = (x / scale).round().clamp(-127, 127).to(torch.int8)
    return (numbers.to(torch.int32) @ numbers.T.to(torch.int32)) * (scale * scale.T), numbers


@program(x=(2, 4, 8))
def sparse_weights(x: Tensor) -> Any:
    values, places = x.topk(2, -1, sorted=False)
    weights = torch.zeros_like(x).scatter_(-1, places, values.softmax(-1))
    turned = torch.roll(weights, (1, 2), (1, 2))
    return weights, turned.tril(), torch.block_diag(*x[:, 0, :2]), x.unflatten(-1, (2, 4)).flatten(1, 2)


@program(x=(3, 5))
def places_of_values(x: Tensor) -> Any:
    rows, columns = torch.where(x > 0)
    count = torch.count_nonzero(x > 0)
    return x[rows, columns].sum(), torch.nonzero(x < 0).shape[0] * x.mean(), count, x.masked_select(x > 0).sort().values
