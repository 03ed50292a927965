"""Hard programs that use Python as people do: hooks, generators, exceptions, modules that remember, draws, shared gradients."""

from __future__ import annotations

import collections
import dataclasses
import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize, prune

from tests.flashlight.zoo.programs import program

Tensor = torch.Tensor


@program(x=(3, 4))
def hooks_that_replace(x: Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    seen = []

    def pre(module, args, kwargs):
        (y,) = args
        y = y.clone()
        y[0].mul_(2)
        return (y,), kwargs

    def post(module, args, kwargs, output):
        output.add_(1)
        seen.append(output[:, 0])
        return output * args[0].sum()

    model[0].register_forward_pre_hook(pre, with_kwargs=True)
    h = model[2].register_forward_hook(post, with_kwargs=True)
    handle = nn.modules.module.register_module_forward_hook(lambda m, a, o: o + 0.5 if isinstance(m, nn.ReLU) else None)
    try:
        first = model(x)
    finally:
        handle.remove()
    h.remove()
    return first, model(x), seen


@dataclasses.dataclass
class Result:
    loss: Tensor
    parts: dict
    rest: list = dataclasses.field(default_factory=list)


Named = collections.namedtuple("Named", "first second")


@program(x=(3, 4))
def results_of_odd_kinds(x: Tensor) -> Any:
    def turns(y):
        for row in y:
            state = yield row * 2
            row.add_(0 if state is None else state)

    y = x.clone()
    walk = turns(y)
    first = next(walk)
    second = walk.send(first.sum())
    od = collections.OrderedDict(b=x[0], a={"deep": (x[1], [x[2], None, 3])})
    return Result(x.sum(), od, [first, second, Named(y, {"k": y.mean()})])


@program(x=(3, 4))
def functions_of_python_on_tensors(x: Tensor) -> Any:
    rows = [r.sum() for r in x]
    total = sum(rows)
    largest = max(rows)
    order = sorted(rows)
    close = [r for r in x if r.norm() > 1.5]
    table = {t: i for i, t in enumerate(rows)}
    n = len(close) + int(abs(float(x[0, 0])) * 3)
    return (
        total,
        largest,
        torch.stack(order),
        torch.tensor(n),
        torch.tensor([table[r] for r in rows]),
        x[0] in x,
        math.sqrt(x[1, 1] ** 2),
        torch.tensor(round(x[0, 1].item(), 2)),
    )


@program(x=(3, 4))
def errors_that_are_caught(x: Tensor) -> Any:
    out = []
    try:
        x @ x
    except RuntimeError as e:
        out.append(torch.tensor(float(len(str(e)) > 0)) + x[0, 0])
    try:
        x.t().view(-1)
    except RuntimeError:
        out.append(x.t().reshape(-1))
    try:
        x[7]
    except IndexError:
        out.append(x[-1])
    y = x.clone()
    try:
        y.add_(torch.ones(5))
    except RuntimeError:
        y.sub_(1)
    try:
        y[0] = torch.ones(3)
    except (RuntimeError, ValueError):
        y[0] = 2
    try:
        x[:1].clone().expand(3, 4).add_(1)
    except RuntimeError:
        y[1] = 7
    a = x[:, :3] @ x[:, :3].t()
    try:
        factor = torch.linalg.cholesky(a - 5 * torch.eye(3))
    except torch.linalg.LinAlgError:
        factor = torch.linalg.cholesky(a + 5 * torch.eye(3))
    return out, y, factor


@program(x=(3, 4))
def generators_that_are_restored(x: Tensor) -> Any:
    g = torch.Generator().manual_seed(11)
    state = g.get_state()
    a = torch.randn(3, 4, generator=g) * x
    b = torch.randperm(5, generator=g)
    g.set_state(state)
    c = torch.randn(3, 4, generator=g) + x
    with torch.random.fork_rng():
        torch.manual_seed(1)
        d = torch.rand_like(x)
    e = torch.rand(2)
    clone = g.clone_state()
    f = torch.empty(3, 4).bernoulli_(0.3, generator=clone)
    h = torch.multinomial(torch.ones(6), 3, generator=g)
    return a, b, c, d, e, f, h, torch.normal(x, 0.1, generator=g), torch.randint(0, 9, (4,), generator=g)


@program(x=(4, 6))
def fills_of_parts_by_draws(x: Tensor) -> Any:
    y = x.clone()
    y[1:3, ::2].normal_(1, 2)
    y.t()[0].uniform_(-1, 1)
    y[3].bernoulli_(0.5)
    y[0, 3:].exponential_(2.0)
    z = torch.zeros(4, 6)
    z[:, 1].random_(0, 7)
    z.diagonal().geometric_(0.4)
    z[2].log_normal_(0, 0.3)
    z[3, 1:].cauchy_()
    z[0] = torch.bernoulli(torch.sigmoid(y[0]))
    torch.nn.init.trunc_normal_(z[1, 2:], std=0.2)
    torch.nn.init.orthogonal_(z[:2, :2])
    return y, z, y.sum(1), F.dropout(y, 0.4)


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self.register_buffer("last", torch.zeros(4), persistent=False)
        self.calls, self.history = 0, []
        self.weights = nn.ParameterList([nn.Parameter(torch.ones(4)) for _ in range(2)])

    def forward(self, x):
        self.calls += 1
        self.count += 1
        before = self.last
        self.last = x.mean(0) * self.calls
        before.add_(1)
        self.history.append(before)
        with torch.no_grad():
            self.weights[self.calls % 2].mul_(0.5).add_(x[0], alpha=0.1)
        return x * self.weights[0] + self.weights[1] * self.count + before


@program(x=(3, 4))
def module_that_remembers(x: Tensor) -> Any:
    m = Counts()
    outs = [m(x), m(x * 2), m(x.flip(0))]
    return outs, m.last, m.history, m.count, list(m.weights), m.state_dict()


@program(x=(6, 4))
def vectors_of_parameters(x: Tensor) -> Any:
    torch.manual_seed(3)
    m = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    v = nn.utils.parameters_to_vector(m.parameters()).detach().clone()
    nn.utils.vector_to_parameters(v, m.parameters())
    a = m(x)
    v.mul_(2)
    b = m(x)
    with torch.enable_grad():
        loss = m(x).square().sum()
        loss.backward()
    g = nn.utils.parameters_to_vector([p.grad for p in m.parameters()])
    v.sub_(g, alpha=0.01)
    nn.utils.clip_grad_value_(m.parameters(), 0.1)
    return a, b, m(x), g, m[0].weight.grad


@program(x=(6, 4))
def pruned_and_normed_weights(x: Tensor) -> Any:
    torch.manual_seed(3)
    lin = nn.Linear(4, 4)
    prune.l1_unstructured(lin, "weight", amount=0.3)
    prune.random_structured(lin, "weight", amount=1, dim=0)
    a = lin(x)
    prune.remove(lin, "weight")
    sn = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3))
    b = [sn(x) for _ in range(2)]
    sn.eval()
    b.append(sn(x))
    wn = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3), dim=1)
    with torch.enable_grad():
        wn(x).square().sum().backward()
    wn.weight = torch.ones(3, 4) * x[0]
    c = wn(x)
    parametrize.remove_parametrizations(wn, "weight")
    old = nn.utils.spectral_norm(nn.Linear(4, 2))
    return a, b, c, wn.weight.detach(), old(x), old(x), lin.weight.detach()


def _branch(x: Tensor, n: int) -> Tensor:
    f = torch.jit.fork(torch.sin, x)
    y = x
    for i in range(n):
        if bool(y.sum() > 100):
            break
        y = y * 1.5 + i
    return y + torch.jit.wait(f)


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.zeros(4))
        self.lin = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        self.state += x.mean(0)
        out = {"a": self.lin(x), "b": self.state * 2}
        return out["a"] + self.state, out


@program(x=(3, 4))
def scripts_that_keep_state(x: Tensor) -> Any:
    torch.manual_seed(3)
    m = torch.jit.script(Scripted())
    a = m(x)
    b = m(x + 1)
    return a, b, m.state, torch.jit.script(_branch)(x, 3)


@program(x=(3, 4))
def gradients_that_share_memory(x: Tensor) -> Any:
    p = nn.Parameter(torch.ones(3, 4))
    q = nn.Parameter(torch.ones(2, 4))
    buf = torch.zeros(20)
    p.grad, q.grad = buf[:12].view(3, 4), buf[12:].view(2, 4)
    with torch.enable_grad():
        ((p * x).sin().sum() + (q @ x.t()).square().sum()).backward()
        (p * 2).sum().backward()
    norm = buf.norm()
    buf.div_(norm)
    opt = torch.optim.SGD([p, q], 0.1)
    opt.step()
    opt.zero_grad(set_to_none=False)
    return buf, norm, p.detach(), q.detach(), p.grad


@program(x=(3, 4))
def data_that_is_swapped(x: Tensor) -> Any:
    p = nn.Parameter(torch.ones(3, 4))
    old = p.data
    p.data = x * 2
    old.mul_(5)
    a = p * 1
    p.data[0] = 9
    p.data.add_(old)
    d = p.detach()
    d[1].zero_()
    b = p * 1
    t = torch.zeros(3, 4)
    t.copy_(d)
    torch.utils.swap_tensors(t, s := torch.ones(3, 4))
    return a.detach(), b.detach(), old, t, s, d


@program(x=(3, 4))
def modes_and_profilers(x: Tensor) -> Any:
    with (
        torch.autograd.set_detect_anomaly(True),
        torch.profiler.record_function("part"),
        torch.enable_grad(),
    ):
        leaf = x.detach().requires_grad_()
        (leaf.exp() * 2).sum().backward()
    with torch.inference_mode():
        inferred = x * 2
    copied = inferred.clone() + 1
    with torch.set_grad_enabled(True):
        doubled = (leaf * 2).sum()
    with torch.autograd.graph.save_on_cpu(), torch.enable_grad():
        other = leaf.detach().requires_grad_()
        other.sin().sum().backward()
    with torch.device("cpu"):
        made = torch.ones(3, 4)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        filled = torch.empty(3, 4).index_copy_(0, torch.tensor([2, 0, 1]), x)
        added = x.clone().index_add_(0, torch.tensor([0, 0]), x[:2])
    finally:
        torch.use_deterministic_algorithms(before)
    return leaf.grad, copied, doubled.detach(), other.grad, made, filled, added
