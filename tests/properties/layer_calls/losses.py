"""Random losses: all reductions, weights, classes that are ignored, smoothed labels, extreme scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from composit.nn import losses
from tests.properties.layer_calls.case import Case, Draw, Operand

_REDUCTIONS = ("mean", "sum", "none")


def _shape(draw: Draw) -> tuple[int, ...]:
    return draw.each(draw.choice([1, 2, 3]), (1, 2, 5, 9))


def regression(draw: Draw) -> Case:
    shape, reduction = _shape(draw), draw.choice(_REDUCTIONS)
    limit = draw.choice([0.5, 1.0, 2.0])
    table: dict[str, tuple[Any, Any]] = {
        "mse": (losses.mse, F.mse_loss),
        "l1": (losses.l1, F.l1_loss),
        "huber": (
            lambda x, t, **named: losses.huber(x, t, delta=limit, **named),
            lambda x, t, **named: F.huber_loss(x, t, delta=limit, **named),
        ),
        "smooth_l1": (
            lambda x, t, **named: losses.smooth_l1(x, t, beta=limit, **named),
            lambda x, t, **named: F.smooth_l1_loss(x, t, beta=limit, **named),
        ),
        "soft_margin": (losses.soft_margin, F.soft_margin_loss),
    }
    name = draw.choice(list(table))
    ours, theirs = table[name]
    target = draw.signs(*shape).fixed() if name == "soft_margin" else draw.normal(*shape)
    return Case(
        f"{name}({shape}, limit={limit}, {reduction})",
        lambda x, t: ours(x, t, reduction=reduction),
        lambda x, t: theirs(x, t, reduction=reduction),
        (draw.normal(*shape, scale=1.0 if name == "soft_margin" else draw.choice([1.0, 1.0, 300.0])), target),
        smooth=name == "mse",
    )


def likelihood(draw: Draw) -> Case:
    shape, reduction = _shape(draw), draw.choice(_REDUCTIONS)
    full, log = draw.chance(0.5), draw.chance(0.5)
    kind = draw.choice(["poisson", "gaussian", "kl"])
    if kind == "poisson":
        x = draw.normal(*shape) if log else draw.uniform(0.1, 3.0, *shape)
        return Case(
            f"poisson_nll({shape}, log_input={log}, full={full}, {reduction})",
            lambda x, t: losses.poisson_nll(x, t, log_input=log, full=full, reduction=reduction),
            lambda x, t: F.poisson_nll_loss(x, t, log_input=log, full=full, reduction=reduction),
            (x, draw.uniform(0.2, 5.0, *shape)),
        )
    if kind == "gaussian":
        return Case(
            f"gaussian_nll({shape}, full={full}, {reduction})",
            lambda x, t, v: losses.gaussian_nll(x, t, v, full=full, reduction=reduction),
            lambda x, t, v: F.gaussian_nll_loss(x, t, v, full=full, reduction=reduction),
            (draw.normal(*shape), draw.normal(*shape), draw.uniform(0.1, 2.0, *draw.choice([shape, (*shape[:-1], 1)]))),
        )
    reduction = draw.choice([*_REDUCTIONS, "batchmean"])
    target = (
        draw.normal(*shape)
        if log
        else draw.choice(
            [
                draw.uniform(0.0, 1.0, *shape),
                Operand(lambda generator: np.maximum(generator.normal(size=shape), 0.0)).fixed(),
            ]
        )
    )
    return Case(
        f"kl_div({shape}, log_target={log}, {reduction})",
        lambda x, t: losses.kl_div(x, t, log_target=log, reduction=reduction),
        lambda x, t: F.kl_div(x, t, log_target=log, reduction=reduction),
        (draw.normal(*shape), target),
    )


def binary(draw: Draw) -> Case:
    shape, reduction = (draw.choice([1, 3]), draw.choice([1, 2, 9])), draw.choice(_REDUCTIONS)
    kind = draw.choice(["bce", "logits", "multilabel"])
    weighted, positive = draw.chance(0.5), draw.chance(0.5) and kind == "logits"
    extreme = draw.choice([1.0, 1.0, 1e3])
    x = draw.normal(*shape, scale=extreme)
    if kind == "bce":
        x = draw.choice(
            [
                draw.uniform(0.01, 0.99, *shape),
                Operand(lambda generator: np.clip(generator.normal(size=shape) * 0.4 + 0.5, 0.0, 1.0)),
            ]
        )
    target = draw.choice(
        [draw.uniform(0.0, 1.0, *shape), Operand(lambda generator: 1.0 * (generator.random(shape) < 0.5))]
    )
    if kind == "bce":
        target = target.fixed()  # its derivative is infinite in torch where x is 0 or 1
    operands = [x, target]
    if weighted:
        operands.append(draw.uniform(0.1, 2.0, shape[-1]).fixed())
    if positive:
        operands.append(draw.uniform(0.1, 2.0, shape[-1]).fixed())

    def ours(x: Any, t: Any, *weights: Any) -> Any:
        named = {"weight": weights[0]} if weighted else {}
        if kind == "bce":
            return losses.bce(x, t, reduction=reduction, **named)
        if kind == "multilabel":
            return losses.multilabel_soft_margin(x, t, reduction=reduction, **named)
        return losses.bce_with_logits(
            x, t, reduction=reduction, positive_weight=weights[-1] if positive else None, **named
        )

    def theirs(x: Any, t: Any, *weights: Any) -> Any:
        named = {"weight": weights[0]} if weighted else {}
        if kind == "bce":
            return F.binary_cross_entropy(x, t, reduction=reduction, **named)
        if kind == "multilabel":
            return F.multilabel_soft_margin_loss(x, t, reduction=reduction, **named)
        return F.binary_cross_entropy_with_logits(
            x, t, reduction=reduction, pos_weight=weights[-1] if positive else None, **named
        )

    text = f"{kind}({shape} * {extreme}, {weighted=}, {positive=}, {reduction})"
    return Case(text, ours, theirs, tuple(operands))


def classes(draw: Draw) -> Case:
    count, batch = draw.choice([1, 2, 5, 17]), draw.choice([1, 3, 9])
    tail = draw.each(draw.choice([0, 0, 1, 2]), (1, 2, 3))
    shape = draw.choice([(batch, count, *tail), (batch, count, *tail), (count,)])
    target_shape = (shape[0], *shape[2:]) if len(shape) > 1 else ()
    kind = draw.choice(["cross_entropy", "cross_entropy", "nll", "probabilities"])
    weighted, reduction = draw.chance(0.5), draw.choice(_REDUCTIONS)
    smoothing = draw.choice([0.0, 0.1, 1.0]) if kind != "nll" else 0.0
    ignored = draw.choice([-100, 0, -1, 255]) if kind != "probabilities" else -100

    def targets(generator: np.random.Generator) -> Any:
        chosen = generator.integers(0, count, size=target_shape)
        if ignored in (-1, 255):
            chosen = np.where(generator.random(target_shape) < 0.3, ignored, chosen)
        return chosen

    operands = [draw.normal(*shape, scale=draw.choice([1.0, 1.0, 50.0, 1e4]))]
    operands.append(
        draw.uniform(0.0, 1.0, *shape) if kind == "probabilities" else Operand(targets, draw.view(target_shape))
    )
    if weighted:
        operands.append(draw.uniform(0.1, 2.0, count).fixed())
    named = {"reduction": reduction, "ignore_index": ignored}
    smooth = {"label_smoothing": smoothing} if kind != "nll" else {}

    def ours(x: Any, t: Any, *weight: Any) -> Any:
        function = losses.nll if kind == "nll" else losses.cross_entropy
        return function(x, t, weight=weight[0] if weight else None, **named, **smooth)

    def theirs(x: Any, t: Any, *weight: Any) -> Any:
        function = F.nll_loss if kind == "nll" else F.cross_entropy
        return function(x, t, weight=weight[0] if weight else None, **named, **smooth)

    text = f"{kind}({shape}, {weighted=}, {smoothing=}, {ignored=}, {reduction})"
    return Case(text, ours, theirs, tuple(operands), smooth=True)


def margins(draw: Draw) -> Case:
    count, batch, reduction = draw.choice([1, 2, 5]), draw.choice([1, 3]), draw.choice(_REDUCTIONS)
    order, margin, weighted = draw.choice([1, 2]), draw.choice([0.3, 1.0]), draw.chance(0.5)
    kind = draw.choice(["multi", "multilabel", "ranking", "cosine", "triplet", "hinge"])
    x, y = draw.normal(batch, count), draw.normal(batch, count)
    if kind == "multi":
        operands = [x, draw.below(count, batch), *([draw.uniform(0.1, 2.0, count).fixed()] if weighted else [])]
        return Case(
            f"multi_margin({batch}, {count}, order={order}, {weighted=}, {reduction})",
            lambda x, t, *w: losses.multi_margin(
                x, t, order=order, margin=margin, weight=w[0] if w else None, reduction=reduction
            ),
            lambda x, t, *w: F.multi_margin_loss(x, t, order, margin, weight=w[0] if w else None, reduction=reduction),
            tuple(operands),
        )
    table: dict[str, tuple[Any, Any, tuple[Operand, ...]]] = {
        "multilabel": (
            lambda x, t: losses.multilabel_margin(x, t, reduction=reduction),
            lambda x, t: F.multilabel_margin_loss(x, t, reduction=reduction),
            (x, Operand(lambda generator: _labels(generator, batch, count))),
        ),
        "ranking": (
            lambda x, y, t: losses.margin_ranking(x, y, t, margin=margin, reduction=reduction),
            lambda x, y, t: F.margin_ranking_loss(x, y, t, margin=margin, reduction=reduction),
            (x, y, draw.signs(batch, count).fixed()),
        ),
        "cosine": (
            lambda x, y, t: losses.cosine_embedding(x, y, t, margin=margin, reduction=reduction),
            lambda x, y, t: F.cosine_embedding_loss(x, y, t, margin=margin, reduction=reduction),
            (x, y, draw.signs(batch).fixed()),
        ),
        "triplet": (
            lambda x, y, z: losses.triplet(x, y, z, margin=margin, order=2.0, swap=weighted, reduction=reduction),
            lambda x, y, z: F.triplet_margin_loss(x, y, z, margin=margin, swap=weighted, reduction=reduction),
            (x, y, draw.normal(batch, count)),
        ),
        "hinge": (
            lambda x, t: losses.hinge_embedding(x, t, margin=margin, reduction=reduction),
            lambda x, t: F.hinge_embedding_loss(x, t, margin=margin, reduction=reduction),
            (x, draw.signs(batch, count).fixed()),
        ),
    }
    ours, theirs, operands_of = table[kind]
    return Case(f"{kind}({batch}, {count}, {margin=}, {reduction})", ours, theirs, operands_of)


def _labels(generator: np.random.Generator, batch: int, count: int) -> Any:
    rows = np.array([generator.permutation(count) for _ in range(batch)])
    ends = generator.integers(0, count + 1, size=(batch, 1))
    return np.where(np.arange(count) < ends, rows, -1)


def ctc(draw: Draw) -> Case:
    steps, batch, count, labels = draw.choice([1, 4, 9]), draw.choice([1, 3]), draw.choice([2, 5]), draw.choice([1, 3])
    reduction, blank = draw.choice(_REDUCTIONS), draw.choice([0, count - 1])
    lengths = np.array([draw.integer(1, steps) for _ in range(batch)])
    wanted = np.array([draw.integer(0, labels) for _ in range(batch)])

    def targets(generator: np.random.Generator) -> Any:
        drawn = generator.integers(0, count - 1, size=(batch, labels))
        return drawn + (drawn >= blank)

    def ours(x: Any, t: Any) -> Any:
        from composit.nn.operations import log_softmax

        return losses.ctc(log_softmax(x, -1), t, lengths, wanted, blank=blank, zero_infinity=True, reduction=reduction)

    def theirs(x: Any, t: Any) -> Any:
        return F.ctc_loss(
            torch.log_softmax(x, -1), t, torch.tensor(lengths), torch.tensor(wanted), blank, reduction, True
        )

    text = f"ctc({steps}, {batch}, {count}, labels={labels}, lengths={lengths}, {wanted}, blank={blank}, {reduction})"
    return Case(text, ours, theirs, (draw.normal(steps, batch, count), Operand(targets)))


LOSSES = (*(regression,) * 2, *(likelihood,) * 2, *(binary,) * 2, *(classes,) * 4, *(margins,) * 2, ctc)
