"""Hard programs: memory, indices, control flow and torch's odd corners.

Those of networks are in network_programs.py, of training in training_programs.py, of torch's tools in tool_programs.py, those that mix
these in composed_programs.py; more of memory and control in memory_programs.py, of derivatives in derived_programs.py, and of what comes
from outside torch in outside_programs.py; of Python's own ways in python_programs.py, and of single operations at
their corners in corner_programs.py.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.flashlight.zoo import (
    composed_programs,
    corner_programs,
    derived_programs,
    memory_programs,
    network_programs,
    outside_programs,
    python_programs,
    tool_programs,
    training_programs,
)
from tests.flashlight.zoo.case import Case, Program
from tests.flashlight.zoo.programs import PROGRAMS, program

__all__ = [
    "cases",
    "composed_programs",
    "corner_programs",
    "derived_programs",
    "memory_programs",
    "network_programs",
    "outside_programs",
    "python_programs",
    "tool_programs",
    "training_programs",
]


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


@program(x=(3, 4))
def threads_inside(x: torch.Tensor) -> Any:
    results: dict[int, torch.Tensor] = {}
    workers = [threading.Thread(target=lambda i=i: results.update({i: (x * i).exp()})) for i in range(3)]  # type: ignore[misc]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(results[i] for i in range(3))


@program(x=(4, 4))
def complex_numbers(x: torch.Tensor) -> Any:
    z = torch.complex(x, x.flip(0))
    return (z * z.conj()).real, z.abs(), z.angle(), (z @ z.mH).real


@program(x=(4, 5))
def integers_and_bits(x: torch.Tensor) -> Any:
    number = (x * 10).round().to(torch.int64)
    return number // 3, number % 4, number & 5, number << 1, torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0]))


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


assert len(PROGRAMS) >= 110
