"""Hard programs: memory, indices, control flow, training and torch's odd corners, each a function of a few random tensors."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.flashlight.zoo.case import Case, Program

PROGRAMS: dict[str, tuple[Callable[..., Any], dict[str, tuple[int, ...]]]] = {}


def program(**shapes: tuple[int, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a function to the programs; shapes: of its arguments."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS[function.__name__] = (function, shapes)
        return function

    return add


def cases() -> list[Case]:
    """Return the programs as cases of the zoo."""
    return [Case(f"hard/{name}", lambda name=name: _build(name)) for name in PROGRAMS]  # type: ignore[misc]


def _build(name: str) -> Program:
    function, shapes = PROGRAMS[name]

    def inputs(generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}

    return Program(function, inputs)


@program(x=(4, 6))
def rolling_cache(x: torch.Tensor) -> Any:
    cache = torch.zeros(3, 6)
    outs = []
    for row in x:
        cache = torch.roll(cache, 1, 0)
        cache[0] = row
        outs.append(cache.mean(0))
    return torch.stack(outs), cache


@program(x=(2, 5, 8))
def cache_through_views(x: torch.Tensor) -> Any:
    cache = torch.zeros(2, 2, 16, 4)
    for step in range(5):
        cache[:, :, step : step + 1].copy_(x[:, step].view(2, 2, 1, 4))
    return cache[:, :, :5].transpose(1, 2).reshape(2, 5, 8).softmax(-1), cache.sum()


@program(x=(3, 4))
def chain_of_writes(x: torch.Tensor) -> Any:
    y = x.clone()
    y[1:] += y[:-1].clone()
    y.t()[0].mul_(2)
    y.view(-1)[::5] = -1
    y.diagonal().add_(10)
    return y, y.flip(0)


@program(x=(3, 4))
def write_own_input(x: torch.Tensor) -> Any:
    x.mul_(2).add_(1)
    x[0] = x[1] * x[2]
    return x.sum(0), x


@program(x=(6,), y=(6,))
def swap_halves(x: torch.Tensor, y: torch.Tensor) -> Any:
    a, b = x.clone(), y.clone()
    a[:3], b[3:] = b[3:].clone(), a[:3].clone()
    return a, b


@program(x=(4, 4))
def triangular_solve_by_hand(x: torch.Tensor) -> Any:
    lower = x.tril() + 4 * torch.eye(4)
    right, result = torch.ones(4), torch.zeros(4)
    for i in range(4):
        result[i] = (right[i] - lower[i, :i] @ result[:i]) / lower[i, i]
    return result


@program(x=(5, 7))
def masked_statistics(x: torch.Tensor) -> Any:
    mask = x > 0
    total = torch.where(mask, x, torch.zeros_like(x)).sum(-1)
    count = mask.sum(-1).clamp(min=1)
    return total / count, x.masked_fill(~mask, float("-inf")).amax(-1), mask.any(0)


@program(x=(5, 7))
def boolean_assignment(x: torch.Tensor) -> Any:
    y = x.clone()
    y[y < 0] = 0
    y[:, y.sum(0) > 2] *= 1.0
    return torch.where(y > 1, y.sqrt(), y)


@program(x=(4, 9))
def order_statistics(x: torch.Tensor) -> Any:
    values, places = x.sort(-1, descending=True)
    top, top_places = x.topk(3, -1)
    return values, places, top, top_places, x.median(-1).values, x.kthvalue(2, -1).values, x.argsort(0)


@program(x=(4, 9))
def running_values(x: torch.Tensor) -> Any:
    return x.cumsum(-1), x.cumprod(0), x.cummax(-1), x.logcumsumexp(-1), x.diff(dim=-1)


@program(x=(6, 5))
def scatter_and_gather(x: torch.Tensor) -> Any:
    index = torch.tensor([0, 2, 0, 1, 2, 2])
    sums = torch.zeros(3, 5).index_add(0, index, x)
    largest = torch.full((3, 5), -1e9).scatter_reduce(0, index[:, None].expand(-1, 5), x, "amax")
    return sums, largest, x.gather(1, torch.tensor([[4], [3], [2], [1], [0], [0]]))


@program(x=(3, 4))
def accumulate_at_places(x: torch.Tensor) -> Any:
    y = torch.zeros(5, 4)
    y.index_put_((torch.tensor([0, 0, 4]),), x, accumulate=True)
    y[[1, 2], [3, 0]] = x[0, :2]
    return y


@program(nodes=(5, 3))
def message_passing(nodes: torch.Tensor) -> Any:
    source, target = torch.tensor([0, 1, 2, 3, 4, 0]), torch.tensor([1, 2, 3, 4, 0, 3])
    degree = torch.bincount(target, minlength=5).clamp(min=1)
    for _ in range(2):
        nodes = torch.zeros_like(nodes).index_add(0, target, nodes[source]) / degree[:, None]
        nodes = nodes.tanh()
    return nodes


@program(x=(2, 3, 8, 8))
def unfold_and_fold(x: torch.Tensor) -> Any:
    patches = F.unfold(x, 3, stride=2, padding=1)
    return patches, F.fold(patches, (8, 8), 3, stride=2, padding=1), x.unfold(2, 4, 2).mean(-1)


@program(x=(2, 4, 6, 6))
def windows_and_back(x: torch.Tensor) -> Any:
    windows = x.view(2, 4, 3, 2, 3, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, 4)
    mixed = (windows @ windows.transpose(-1, -2)).softmax(-1) @ windows
    return mixed.view(2, 3, 3, 2, 2, 4).permute(0, 5, 1, 3, 2, 4).reshape(2, 4, 6, 6)


@program(x=(2, 4, 9))
def relative_positions(x: torch.Tensor) -> Any:
    padded = F.pad(x, (1, 0)).view(2, 10, 4)[:, 1:].view(2, 4, 9)
    return padded, torch.as_strided(x, (2, 4, 3), (36, 9, 2), 1)


@program(x=(2, 12), w=(4, 1, 3))
def convolution_of_sequences(x: torch.Tensor, w: torch.Tensor) -> Any:
    y = F.conv1d(x[:, None], w, padding=2, dilation=2)
    return y, F.conv_transpose1d(y, w, stride=2), F.avg_pool1d(y, 3), F.max_pool1d(y, 2)


@program(x=(1, 4, 8, 8), w=(4, 2, 3, 3))
def grouped_convolution(x: torch.Tensor, w: torch.Tensor) -> Any:
    y = F.conv2d(x, w, stride=2, padding=1, groups=2)
    return F.interpolate(y, scale_factor=2, mode="bilinear"), F.pixel_shuffle(y, 2), F.adaptive_avg_pool2d(y, 3)


@program(x=(1, 2, 5, 5), grid=(1, 3, 3, 2))
def sampling(x: torch.Tensor, grid: torch.Tensor) -> Any:
    turned = F.affine_grid(torch.tensor([[[0.8, -0.6, 0.1], [0.6, 0.8, 0.0]]]), [1, 2, 4, 4], align_corners=False)
    return F.grid_sample(x, grid.tanh(), align_corners=False), F.grid_sample(
        x, turned, mode="nearest", align_corners=True
    )


@program(x=(2, 6, 4))
def recurrent_layers(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    lstm = nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True)
    gru, rnn = nn.GRU(4, 3, batch_first=True), nn.RNN(4, 3, nonlinearity="relu")
    return lstm(x), gru(x)[0], rnn(x)[1]


@program(x=(3, 4))
def cells_in_a_loop(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    cell, gru = nn.LSTMCell(4, 4), nn.GRUCell(4, 4)
    h, c = torch.zeros(3, 4), torch.zeros(3, 4)
    for _ in range(3):
        h, c = cell(x, (h, c))
        h = gru(h, c)
    return h, c


@program(x=(2, 3, 4, 8))
def attention_with_a_mask(x: torch.Tensor) -> Any:
    mask = torch.ones(4, 4, dtype=torch.bool).tril()
    mixed = F.scaled_dot_product_attention(x, x, x, attn_mask=mask)
    return mixed, F.scaled_dot_product_attention(x, x, x, is_causal=True), mixed.norm(dim=-1)


@program(q=(1, 4, 3, 8), k=(1, 2, 3, 8))
def attention_of_groups(q: torch.Tensor, k: torch.Tensor) -> Any:
    return F.scaled_dot_product_attention(q, k, k, enable_gqa=True, scale=0.3)


@program(x=(2, 4, 8))
def rotary_embedding(x: torch.Tensor) -> Any:
    angles = torch.outer(torch.arange(4.0), 1.0 / 10 ** (torch.arange(0, 8, 2) / 8))
    turned = torch.view_as_complex(x.reshape(2, 4, 4, 2)) * torch.polar(torch.ones_like(angles), angles)
    cos, sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)
    half = torch.cat([-x[..., 4:], x[..., :4]], -1)
    return torch.view_as_real(turned).flatten(2), x * cos + half * sin


@program(x=(2, 16))
def spectra(x: torch.Tensor) -> Any:
    spectrum = torch.fft.rfft(x)
    back = torch.fft.irfft(spectrum * 0.5, n=16)
    frames = torch.stft(x, 8, 4, window=torch.hann_window(8), return_complex=True)
    return spectrum.abs(), back, frames.abs(), torch.fft.fft2(x).real


@program(x=(4, 4))
def linear_algebra(x: torch.Tensor) -> Any:
    positive = x @ x.T + 4 * torch.eye(4)
    lower = torch.linalg.cholesky(positive)
    return torch.linalg.solve(positive, x), torch.linalg.inv(positive), torch.logdet(positive), lower, torch.trace(x)


@program(x=(5, 4))
def einsum_of_many(x: torch.Tensor) -> Any:
    return torch.einsum("ij,kj->ik", x, x), torch.einsum("ij->j", x), torch.einsum("ij,ij,kj->k", x, x, x)


@program(x=(4, 3))
def distances(x: torch.Tensor) -> Any:
    return (
        torch.cdist(x, x.flip(0)),
        F.cosine_similarity(x[:, None], x[None], dim=-1),
        F.pairwise_distance(x, x.roll(1, 0)),
    )


@program(x=(6, 5))
def losses(x: torch.Tensor) -> Any:
    target = torch.tensor([0, 4, 2, 1, 3, 0])
    soft = x.detach().softmax(-1)
    return (
        F.cross_entropy(x, target, label_smoothing=0.1, ignore_index=4),
        F.kl_div(x.log_softmax(-1), soft, reduction="batchmean"),
        F.smooth_l1_loss(x, soft),
        F.binary_cross_entropy_with_logits(x, soft, pos_weight=torch.tensor(2.0)),
        F.gaussian_nll_loss(x, soft, x.exp()),
    )


@program(x=(8, 4))
def norms_in_training(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    norm = nn.BatchNorm1d(4).train()
    y = norm(x)
    return y, norm.running_mean, norm.running_var, norm.num_batches_tracked, norm.eval()(x)


@program(x=(2, 6, 4, 4))
def norms_of_images(x: torch.Tensor) -> Any:
    return (
        F.group_norm(x, 3),
        F.instance_norm(x),
        F.local_response_norm(x, 3),
        F.layer_norm(x, (4, 4)),
        F.rms_norm(x, (4,)),
    )


@program(x=(4, 8))
def weight_norm_and_spectral_norm(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    first = nn.utils.parametrizations.weight_norm(nn.Linear(8, 5))
    second = nn.utils.parametrizations.spectral_norm(nn.Linear(5, 3)).eval()
    return second(first(x))


@program(x=(4, 3))
def functional_call(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    weights = {name: value * 2 for name, value in model.named_parameters()}
    return torch.func.functional_call(model, weights, (x,))


@program(x=(4, 3))
def gradient_inside(x: torch.Tensor) -> Any:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        energy = (leaf.sin() * leaf).sum()
        (force,) = torch.autograd.grad(energy, leaf)
    return energy.detach(), force


@program(x=(6, 3))
def a_training_step_inside(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    losses = []
    with torch.enable_grad():
        for _ in range(2):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    return torch.stack(losses), model.weight.detach()


@program(x=(6, 3))
def adam_inside(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with torch.enable_grad():
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
    return loss.detach(), model.weight.detach()


@program(x=(4, 3))
def average_of_weights(x: torch.Tensor) -> Any:
    average = torch.zeros(3)
    for row in x:
        average.data.mul_(0.9).add_(row.data, alpha=0.1)
        average.lerp_(row, 0.01)
    return average


@program(x=(5,))
def branches_on_values(x: torch.Tensor) -> Any:
    y = x * 2 if x.sum() > 0 else x * 3
    for _ in range(int(x.argmax()) + 1):
        y = y + 1
    return y


@program(x=(7,))
def shapes_of_values(x: torch.Tensor) -> Any:
    positive = x[x > 0]
    return positive.sum(), torch.nonzero(x > 0).shape[0] + positive * 2, x.unique()


@program(x=(4, 6))
def mixture_of_experts(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    experts = [nn.Linear(6, 6) for _ in range(3)]
    weights, chosen = nn.Linear(6, 3)(x).softmax(-1).topk(2, -1)
    result = torch.zeros_like(x)
    for number, expert in enumerate(experts):
        rows, places = torch.where(chosen == number)
        result.index_add_(0, rows, expert(x[rows]) * weights[rows, places, None])
    return result


@program(x=(3, 4))
def threads_inside(x: torch.Tensor) -> Any:
    results: dict[int, torch.Tensor] = {}
    workers = [threading.Thread(target=lambda i=i: results.update({i: (x * i).exp()})) for i in range(3)]  # type: ignore[misc]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(results[i] for i in range(3))


@program(x=(3, 4))
def compiled_and_scripted_parts(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    scripted = torch.jit.trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.ones(1, 4), check_trace=False)
    return scripted(x), torch.compile(lambda y: y.sin() + 1)(x)


@program(x=(3, 4))
def checkpointed(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    block = nn.Sequential(nn.Linear(4, 4), nn.GELU())
    return torch.utils.checkpoint.checkpoint(block, x, use_reentrant=False)


@program(x=(3, 4))
def hooks_that_change_values(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    layer = nn.Linear(4, 4)
    layer.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    layer.register_forward_hook(lambda module, args, output: output + args[0])
    return layer(x)


@program(x=(3, 4))
def vectorised(x: torch.Tensor) -> Any:
    return torch.vmap(lambda row: (row * row).sum() + row)(x), torch.func.vmap(torch.dot, (0, None))(x, x[0])


@program(x=(3,))
def derivatives_of_functions(x: torch.Tensor) -> Any:
    def energy(y: torch.Tensor) -> torch.Tensor:
        return (y.sin() * y).sum()

    return torch.func.grad(energy)(x), torch.func.jacrev(lambda y: y.exp() * y.sum())(x)


@program(x=(4, 4))
def complex_numbers(x: torch.Tensor) -> Any:
    z = torch.complex(x, x.flip(0))
    return (z * z.conj()).real, z.abs(), z.angle(), (z @ z.mH).real


@program(x=(4, 5))
def integers_and_bits(x: torch.Tensor) -> Any:
    number = (x * 10).round().to(torch.int64)
    return number // 3, number % 4, number & 5, number << 1, torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0]))


@program(x=(4, 5))
def fake_quantisation(x: torch.Tensor) -> Any:
    scale = x.abs().amax() / 127
    return torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127), (x / scale).round().clamp(-128, 127) * scale


@program(x=(2, 5, 3))
def packed_sequences(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    lstm = nn.LSTM(3, 4, batch_first=True)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 3]), batch_first=True)
    output, _ = lstm(packed)
    return nn.utils.rnn.pad_packed_sequence(output, batch_first=True)[0]


@program(x=(2, 4, 8))
def torchs_own_transformer(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    decoder = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True).eval()
    memory = nn.TransformerEncoder(layer, 2).eval()(x)
    return decoder(x, memory, tgt_mask=nn.Transformer.generate_square_subsequent_mask(4))


@program(logits=(3, 9))
def sampling_filters(logits: torch.Tensor) -> Any:
    ordered, places = logits.sort(-1, descending=True)
    removed = ordered.softmax(-1).cumsum(-1) > 0.8
    removed[:, 1:] = removed[:, :-1].clone()
    removed[:, 0] = False
    return logits.masked_fill(removed.scatter(1, places, removed), float("-inf")).softmax(-1)


@program(x=(4, 6))
def draws_in_training(x: torch.Tensor) -> Any:
    noisy = x + torch.randn_like(x) * 0.1
    return F.dropout(noisy, 0.3), F.gumbel_softmax(x, tau=0.5), torch.randperm(4)


@program(x=(2, 3, 5))
def padding_of_all_kinds(x: torch.Tensor) -> Any:
    return [F.pad(x, (2, 1), mode=mode) for mode in ("constant", "reflect", "replicate", "circular")] + [
        F.pad(x, (-1, 2))
    ]


@program(x=(3, 4))
def out_arguments(x: torch.Tensor) -> Any:
    whole = torch.zeros(2, 3, 4)
    torch.mul(x, 2, out=whole[0])
    torch.cumsum(x, 1, out=whole[1])
    return whole, torch.add(x, 1, out=torch.empty(0))


@program(x=(3, 4))
def many_lists(x: torch.Tensor) -> Any:
    parts = torch._foreach_mul([x, x + 1], 2.0)
    torch._foreach_add_(parts, [x, x], alpha=0.5)
    return parts, torch._foreach_norm(parts)


@program(x=(4, 4))
def newton_iterations(x: torch.Tensor) -> Any:
    matrix = x @ x.T / 4 + torch.eye(4)
    inverse = matrix.T / (matrix.abs().sum(0).max() * matrix.abs().sum(1).max())
    for _ in range(12):
        inverse = inverse @ (2 * torch.eye(4) - matrix @ inverse)
    return inverse @ matrix


@program(scores=(3, 5))
def viterbi(scores: torch.Tensor) -> Any:
    transition = torch.linspace(-1, 1, 25).view(5, 5)
    best, pointers = scores[0], []
    for row in scores[1:]:
        best, pointer = (best[:, None] + transition).max(0)
        best = best + row
        pointers.append(pointer)
    path = [best.argmax()]
    for pointer in reversed(pointers):
        path.append(pointer[path[-1]])
    return best, torch.stack(path[::-1])


@program(x=(8,))
def state_space_scan(x: torch.Tensor) -> Any:
    state, outputs = torch.zeros(4), []
    decay = torch.tensor([0.9, 0.7, 0.5, 0.3])
    for value in x:
        state = state * decay + value
        outputs.append((state * decay.flip(0)).sum())
    return torch.stack(outputs)


@program(x=(4, 3))
def special_functions(x: torch.Tensor) -> Any:
    positive = x.abs() + 0.5
    return (
        torch.lgamma(positive),
        torch.digamma(positive),
        torch.erfinv(x.tanh() * 0.9),
        torch.special.i0(x),
        torch.erf(x),
    )


@program(x=(4, 3))
def numbers_of_python(x: torch.Tensor) -> Any:
    scale = math.sqrt(x.shape[-1])
    return x / scale + torch.tensor([1, 2, 3]), x.new_tensor([1.0, 2.0, 3.0]) * x, torch.tensor(scale) * x.double()


@program(x=(2, 3, 4))
def many_axes(x: torch.Tensor) -> Any:
    return (
        x.movedim(0, -1).flatten(1),
        x.unsqueeze(1).expand(-1, 2, -1, -1).squeeze(),
        x.swapaxes(0, 2)[..., None],
        x.mT @ x,
    )


@program(x=(4, 4))
def views_as_data(x: torch.Tensor) -> Any:
    parameter = nn.Parameter(torch.ones(4, 4))
    parameter.data = x * 2
    parameter.data[0].zero_()
    return parameter * 3, parameter.detach().sum()


assert len(PROGRAMS) >= 60
