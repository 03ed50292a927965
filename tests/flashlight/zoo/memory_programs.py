"""Hard programs of memory and control: buffers that forward writes, writes through views, loops that values steer, and draws."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.flashlight.zoo.programs import program

Tensor = torch.Tensor


class _RingBuffer(nn.Module):
    """Keeps the last rows that it was given, at a place that a tensor of integers counts."""

    memory: Tensor
    place: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("memory", torch.zeros(size, width))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, row: Tensor) -> Tensor:
        place = int(self.place) % len(self.memory)
        self.memory[place] = row
        self.place += 1
        return self.memory.roll(-place - 1, 0)


@program(x=(5, 3))
def ring_buffer_of_a_module(x: Tensor) -> Any:
    ring = _RingBuffer(3, 3)
    seen = [ring(row).clone() for row in x]
    return torch.stack(seen), ring.memory, ring.place, dict(ring.state_dict())


class _Codebook(nn.Module):
    """A vector quantiser whose codes are means of what was assigned to them, and whose unused codes start again from the inputs."""

    codes: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.register_buffer("codes", torch.randn(4, 3))
        self.register_buffer("counts", torch.ones(4))
        self.register_buffer("sums", self.codes.clone())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        chosen = torch.cdist(x, self.codes).argmin(1)
        hits = F.one_hot(chosen, 4).to(x.dtype)
        self.counts.mul_(0.9).add_(hits.sum(0), alpha=0.1)
        self.sums.lerp_(hits.T @ x, 0.1)
        self.codes.copy_(self.sums / self.counts[:, None].clamp_min(1e-3))
        self.codes[self.counts < 0.95] = x[:1]
        taken = self.codes[chosen]
        return x + (taken - x).detach(), F.mse_loss(x, taken.detach())


@program(x=(6, 3))
def codebook_of_moving_means(x: Tensor) -> Any:
    quantise = _Codebook()
    first, _ = quantise(x)
    return first, quantise(first * 0.5), dict(quantise.named_buffers())


@program(x=(4, 6))
def writes_through_odd_views(x: Tensor) -> Any:
    y = x.clone()
    y.diagonal(1).copy_(torch.arange(4.0))
    windows = y.unfold(1, 2, 2)
    windows[:, 1].mul_(-1)
    y.view(2, 2, 6).transpose(0, 1)[1].add_(windows.sum())
    y.T[::2].clamp_(max=1.0)
    y.squeeze().unsqueeze(0).movedim(0, -1)[1, ..., 0] = 9
    y.narrow(1, 2, 3).select(0, 2).fill_(-2)
    return y, windows, y.diagonal(), y.unflatten(1, (3, 2))[:, 1]


@program(x=(3, 4))
def written_after_it_was_kept(x: Tensor) -> Any:
    y = x * 2
    kept = [y[0], y.detach(), y.view(-1), y.T]
    copies = [each.clone() for each in kept]
    y.neg_()
    alias = y[1:]
    y = y + 1
    alias.zero_()
    return kept, copies, y, alias


@program(x=(4, 4))
def written_by_out_arguments(x: Tensor) -> Any:
    store = torch.zeros(3, 4, 4)
    torch.mm(x, x, out=store[0])
    torch.add(store[0], 1, out=store[1])
    torch.cumsum(x, 1, out=store[2].T.T)
    total = torch.empty(0)
    torch.sum(store, dim=(1, 2), out=total)
    values, places = torch.empty(0), torch.empty(0, dtype=torch.int64)
    torch.topk(x, 2, out=(values, places))
    return store, total, values, places


@program(x=(2, 6))
def bits_of_numbers(x: Tensor) -> Any:
    bits = x.view(torch.int32)
    exponent = ((bits >> 23) & 0xFF) - 127
    mantissa, power = torch.frexp(x)
    flipped = (bits ^ torch.tensor(-(2**31), dtype=torch.int32)).view(torch.float32)
    halves = x.view(torch.int16).view(2, 6, 2)
    return exponent, mantissa, power, flipped, halves.sum(-1), torch.ldexp(mantissa, power), x.signbit()


@program(x=(3, 8))
def packed_into_four_bits(x: Tensor) -> Any:
    scale = x.abs().amax(1, keepdim=True) / 7
    numbers = (x / scale).round().clamp(-8, 7).to(torch.int8)
    low, high = numbers[:, ::2] & 0xF, numbers[:, 1::2] << 4
    packed = (low | high).view(torch.uint8)
    first = (packed.to(torch.int16) & 0xF).to(torch.int8)
    first = torch.where(first > 7, first - 16, first)
    second = packed.view(torch.int8) >> 4
    return packed, torch.stack([first, second], -1).flatten(1) * scale


@program(x=(7, 4))
def non_maximum_suppression(x: Tensor) -> Any:
    corner = x[:, :2].sigmoid()
    boxes = torch.cat([corner, corner + x[:, 2:].sigmoid()], 1)
    order, kept = x.sum(1).argsort(descending=True), []
    while order.numel():
        best, order = order[0], order[1:]
        kept.append(best)
        low, high = torch.maximum(boxes[best, :2], boxes[order, :2]), torch.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = (high - low).clamp_min(0).prod(1)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        order = order[shared / (area[best] + area[order] - shared) < 0.3]
    return torch.stack(kept), boxes[torch.stack(kept)]


@program(x=(4, 5))
def balanced_until_it_is_close(x: Tensor) -> Any:
    plan, turns = x.exp(), 0
    for _ in range(50):
        plan = plan / plan.sum(1, keepdim=True)
        plan = plan / plan.sum(0, keepdim=True) * 0.8
        turns += 1
        if (plan.sum(1) - 1).abs().max() < 1e-3:
            break
    return plan, torch.tensor(turns)


@program(x=(5, 5), b=(5,))
def conjugate_gradients(x: Tensor, b: Tensor) -> Any:
    matrix, solution = x @ x.T + torch.eye(5), torch.zeros(5)
    residual = b.clone()
    direction, norm = residual.clone(), residual @ residual
    for _ in range(5):
        step = matrix @ direction
        length = norm / (direction @ step)
        solution.add_(length * direction)
        residual.sub_(length * step)
        norm, before = residual @ residual, norm
        direction.mul_(norm / before).add_(residual)
    return solution, matrix @ solution


@program(x=(5, 6))
def alignments_by_dynamic_programming(x: Tensor) -> Any:
    costs = (x[:, None] - x[None]).square().mean(-1)
    table = torch.full((6, 6), math.inf)
    table[0, 0] = 0
    for i in range(1, 6):
        for j in range(1, 6):
            steps = torch.stack([table[i - 1, j], table[i, j - 1], table[i - 1, j - 1]])
            table[i, j] = costs[i - 1, j - 1] - torch.logsumexp(-steps, 0)
    return table[1:, 1:], table[-1, -1]


@program(logits=(6, 9))
def search_by_beams(logits: Tensor) -> Any:
    torch.manual_seed(3)
    moves, scores = torch.randn(9, 9), torch.tensor([0.0, -1e9])
    history = torch.zeros(2, 0, dtype=torch.int64)
    for step in logits:
        last = history[:, -1] if history.shape[1] else torch.zeros(2, dtype=torch.int64)
        total = scores[:, None] + (step + moves[last]).log_softmax(-1)
        scores, places = total.flatten().topk(2)
        history = torch.cat([history[places // 9], (places % 9)[:, None]], 1)
        if bool((history[:, -1] == 0).all()):
            break
    return history, scores


@program(x=(7, 4))
def tree_of_cells(x: Tensor) -> Any:
    torch.manual_seed(3)
    gates = nn.Linear(8, 12)

    def fold(first: int, last: int) -> tuple[Tensor, Tensor]:
        if first == last:
            return x[first].tanh(), x[first]
        middle = (first + last) // 2
        (a, c), (b, d) = fold(first, middle), fold(middle + 1, last)
        i, f, o = gates(torch.cat([a, b])).sigmoid().chunk(3)
        cell = i * c + f * d
        return o * cell.tanh(), cell

    return fold(0, 6)


@program(x=(4, 3))
def draws_until_one_is_large(x: Tensor) -> Any:
    turns, noise = 0, torch.rand(())
    while noise < 0.9:
        x = x + noise * torch.randn_like(x)
        noise, turns = torch.rand(()), turns + 1
    return x, torch.tensor(turns), torch.bernoulli(torch.full((3,), 0.5)) * x[0]


@program(x=(4, 3))
def draws_that_depend_on_values(x: Tensor) -> Any:
    accepted = []
    for row in x:
        while True:
            proposal = torch.rand(3)
            if torch.rand(()) < torch.exp(-(proposal - row).square().sum()).clamp_min(0.2):
                break
        accepted.append(proposal + row)
    return torch.stack(accepted)


@program(x=(4, 3))
def draws_of_many_kinds(x: Tensor) -> Any:
    generator = torch.Generator().manual_seed(2)
    state = torch.get_rng_state()
    first = torch.randn(3)
    torch.set_rng_state(state)
    again = torch.randn(3)
    with torch.random.fork_rng():
        torch.manual_seed(9)
        inner = torch.rand(3)
    noise = torch.empty(3).exponential_(generator=generator), torch.empty(3).log_normal_(generator=generator)
    walk = [x[0]]
    for _ in range(3):
        walk.append(walk[-1] + torch.normal(0.0, x.abs()[1] + 0.1, generator=generator))
    return first == again, inner * x, noise, torch.stack(walk), torch.poisson(torch.ones(3) * 4) * x[2], torch.rand(3)


@program(x=(6, 4))
def caches_of_a_decoder(x: Tensor) -> Any:
    torch.manual_seed(3)
    project, store = nn.Linear(4, 12), torch.zeros(2, 1, 8, 4)
    filled, outputs = torch.zeros(1, dtype=torch.int64), []
    for row in x:
        query, *new = project(row).chunk(3)
        store[:, 0].index_copy_(1, filled, torch.stack(new)[:, None])
        mask = torch.arange(8) > filled
        keys, values = store.unbind(0)
        weights = (keys[0] @ query / 2).masked_fill(mask, -math.inf).softmax(0)
        outputs.append(weights @ values[0])
        filled.add_(1)
    reordered = store.index_select(2, torch.tensor([5, 4, 3]))
    return torch.stack(outputs), store[:, :, :6].expand(-1, 2, -1, -1), reordered, filled


@program(x=(8, 4))
def clusters_that_may_be_empty(x: Tensor) -> Any:
    centers = x[:3].clone()
    for _ in range(4):
        chosen = (x[:, None] - centers).square().sum(-1).argmin(1)
        for number in range(3):
            members = x[chosen == number]
            if len(members):
                centers[number] = members.mean(0)
    return centers, chosen, torch.bincount(chosen, minlength=3)


@program(x=(6, 5))
def graph_attention(x: Tensor) -> Any:
    source, target = torch.tensor([0, 1, 2, 2, 3, 4, 5, 5]), torch.tensor([1, 1, 0, 3, 3, 5, 5, 0])
    scores = (x[source] * x[target]).sum(-1)
    largest = torch.zeros(6).scatter_reduce(0, target, scores, "amax", include_self=False)
    weights = (scores - largest[target]).exp()
    total = torch.zeros(6).index_add_(0, target, weights)
    mixed = torch.zeros_like(x).index_add(0, target, x[source] * (weights / total[target])[:, None])
    means = torch.zeros_like(x).index_reduce_(0, target, x[source], "mean", include_self=False)
    return mixed, means, torch.segment_reduce(x, "max", lengths=torch.tensor([2, 1, 3]), axis=0)


@program(x=(2, 5, 8))
def experts_of_limited_capacity(x: Tensor) -> Any:
    torch.manual_seed(3)
    tokens, first, second = x.flatten(0, 1), torch.randn(3, 8, 6), torch.randn(3, 6, 8)
    weights, chosen = nn.Linear(8, 3)(tokens).softmax(-1).max(-1)
    hot = F.one_hot(chosen, 3)
    rank = (hot.cumsum(0) - 1).gather(1, chosen[:, None]).squeeze(1)
    stays = rank < 3
    dispatch = torch.zeros(10, 3, 3)
    dispatch[torch.arange(10)[stays], chosen[stays], rank[stays]] = 1.0
    inside = torch.einsum("tec,td->ecd", dispatch, tokens)
    done = torch.bmm(torch.bmm(inside, first).relu(), second)
    return torch.einsum("tec,ecd->td", dispatch, done) * weights[:, None], hot.float().mean(0) @ weights[:3]


@program(x=(3, 4))
def tied_weights_that_part(x: Tensor) -> Any:
    torch.manual_seed(3)
    table, head = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
    head.weight = table.weight
    first = head(x)
    table.weight.data[0] += x[0]
    second = head(x)
    head.weight = nn.Parameter(table.weight.detach() * 2)
    table.weight.data.zero_()
    return first, second, head(x), table(torch.tensor([0, 4])), head.weight is table.weight


@program(x=(4, 6))
def runs_and_buckets(x: Tensor) -> Any:
    edges = torch.tensor([-1.0, -0.2, 0.0, 0.0, 0.7])
    places = torch.bucketize(x, edges, right=True)
    values, inverse, counts = torch.unique_consecutive(places.flatten(), return_inverse=True, return_counts=True)
    ordered, order = torch.sort(x.flatten(), stable=True)
    return (
        places,
        values,
        inverse,
        counts,
        torch.searchsorted(ordered, x),
        order.argsort(),
        torch.msort(x),
        x.kthvalue(2),
    )
