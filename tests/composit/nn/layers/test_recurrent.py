"""rnn, lstm, gru and their cells: values and derivatives are those of torch's modules, over all their options."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

import composit.numpy as cnp
from composit import nn

TIMES, BATCH, INPUTS, HIDDEN, PROJECTED = 5, 3, 4, 6, 2
LENGTHS = [2, 5, 3]
KINDS = {"rnn": (torch.nn.RNN, nn.rnn), "gru": (torch.nn.GRU, nn.gru), "lstm": (torch.nn.LSTM, nn.lstm)}

# num_layers, bidirectional, bias, batch_first, lengths
OPTIONS = list(product([1, 2], [False, True], [True, False], [False, True], [None, LENGTHS]))
CASES = [
    *(("rnn", {}, *options) for options in OPTIONS[::3]),
    *(("rnn", {"nonlinearity": "relu"}, *options) for options in OPTIONS[1::5]),
    *(("gru", {}, *options) for options in OPTIONS[::2]),
    *(("lstm", {}, *options) for options in OPTIONS[1::2]),
    *(("lstm", {"proj_size": PROJECTED}, *options) for options in OPTIONS[::2]),
]


class Case:
    """One module of torch with its operands, and ours beside it."""

    def __init__(
        self, kind: str, more: Mapping[str, Any], layers: int, both: bool, bias: bool, first: bool, lengths: Any
    ) -> None:
        torch.manual_seed(0)
        self.is_pair = kind == "lstm"
        theirs, self._ours = KINDS[kind]
        self._module = theirs(
            INPUTS, HIDDEN, num_layers=layers, bidirectional=both, bias=bias, batch_first=first, **more
        ).double()
        self.parameters = {name: each.detach().numpy().copy() for name, each in self._module.named_parameters()}
        count = layers * (1 + both)
        shapes = [(BATCH, TIMES, INPUTS) if first else (TIMES, BATCH, INPUTS)]
        shapes += [(count, BATCH, more.get("proj_size", HIDDEN)), (count, BATCH, HIDDEN)][: 1 + self.is_pair]
        self.operands = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
        self._first, self._lengths = first, lengths
        self._options = {"nonlinearity": more["nonlinearity"]} if "nonlinearity" in more else {}

    def by_torch(self) -> list[torch.Tensor]:
        x, *state = self.operands
        given: Any = x
        if self._lengths is not None:
            given = torch.nn.utils.rnn.pack_padded_sequence(
                x, torch.tensor(self._lengths), batch_first=self._first, enforce_sorted=False
            )
        y, last = self._module(given, tuple(state) if self.is_pair else state[0])
        if self._lengths is not None:
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=self._first, total_length=TIMES)
        return [y, *(last if self.is_pair else [last])]

    def by_us(self, parameters: Mapping[str, Any], x: Any, *state: Any) -> list[Any]:
        given = tuple(state) if self.is_pair else state[0]
        y, last = self._ours(x, given, parameters, batch_first=self._first, lengths=self._lengths, **self._options)
        return [y, *(last if self.is_pair else [last])]

    def torch_gradients(self, loss: torch.Tensor, create_graph: bool = False) -> Sequence[torch.Tensor]:
        return torch.autograd.grad(loss, [*self._module.parameters(), *self.operands], create_graph=create_graph)

    def arrays(self) -> list[np.ndarray]:
        return [each.detach().numpy() for each in self.operands]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_torchs(case: Any) -> None:
    given = Case(*case)
    expected = given.by_torch()
    weights = [torch.randn_like(each) for each in expected]
    gradients = given.torch_gradients(
        sum((torch.sin(each) * w).sum() for each, w in zip(expected, weights, strict=True))
    )

    def loss(*args: Any) -> Any:
        outputs = given.by_us(*args)
        return sum(cnp.sum(cnp.sin(each) * w.numpy()) for each, w in zip(outputs, weights, strict=True)), outputs

    arrays = given.arrays()
    (_, outputs), slopes = nn.value_and_grad(loss, range(1 + len(arrays)), has_aux=True)(given.parameters, *arrays)
    for ours, theirs in zip(cnp.evaluate(outputs), expected, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(cnp.evaluate([*slopes[0].values(), *slopes[1:]]), gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_agree_with_differences(kind: str) -> None:
    given = Case(kind, {}, 1, True, True, False, LENGTHS)
    weight = np.random.default_rng(0).normal(size=(TIMES, BATCH, 2 * HIDDEN))

    def loss(parameters: Any, *operands: Any) -> Any:
        return sum(cnp.sum(each**2) for each in given.by_us(parameters, *operands)[1:]) + cnp.sum(
            given.by_us(parameters, *operands)[0] * weight
        )

    nn.check_gradients(loss, [given.parameters, *given.arrays()], order=2)


@pytest.mark.parametrize("kind", KINDS)
def test_one_sequence_needs_no_batch(kind: str) -> None:
    given = Case(kind, {}, 2, True, True, False, None)
    x, *state = given.arrays()
    expected = given.by_us(given.parameters, x[:, :1], *(each[:, :1] for each in state))
    single = given.by_us(given.parameters, x[:, 0], *(each[:, 0] for each in state))
    for one, other in zip(single, expected, strict=True):
        np.testing.assert_array_equal(cnp.evaluate(one), cnp.evaluate(other)[:, 0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_float32_stays(kind: str, backend: str) -> None:
    given = Case(kind, {}, 2, True, True, True, LENGTHS)
    parameters = {name: each.astype(np.float32) for name, each in given.parameters.items()}
    outputs = given.by_us(parameters, *(each.astype(np.float32) for each in given.arrays()))
    for ours, theirs in zip(cnp.evaluate(outputs, backend=backend), given.by_torch(), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_states_start_at_zero(kind: str) -> None:
    given = Case(kind, {"proj_size": PROJECTED} if kind == "lstm" else {}, 2, True, True, False, None)
    x, *state = given.arrays()
    zeros = given.by_us(given.parameters, x, *(np.zeros_like(each) for each in state))
    none = KINDS[kind][1](x, None, given.parameters)
    flat = [none[0], *(none[1] if kind == "lstm" else [none[1]])]
    for one, other in zip(flat, zeros, strict=True):
        np.testing.assert_array_equal(cnp.evaluate(one), cnp.evaluate(other))


def test_what_lies_behind_the_last_time_has_no_influence() -> None:
    given = Case("lstm", {}, 2, True, True, False, LENGTHS)
    x, *state = given.arrays()
    padded = x.copy()
    for number, length in enumerate(LENGTHS):
        padded[length:, number] = np.nan

    def loss(parameters: Any, x: Any) -> Any:
        return sum(cnp.sum(each**2) for each in given.by_us(parameters, x, *state))

    for one, other in zip(
        cnp.evaluate(nn.value_and_grad(loss, (0, 1))(given.parameters, padded)),
        cnp.evaluate(nn.value_and_grad(loss, (0, 1))(given.parameters, x)),
        strict=True,
    ):
        np.testing.assert_equal(one, other)


def test_a_length_of_zero_keeps_the_first_state() -> None:
    given = Case("gru", {}, 1, True, True, False, None)
    x, state = given.arrays()
    y, last = nn.gru(x, state, given.parameters, lengths=[0, 5, 1])
    np.testing.assert_array_equal(cnp.evaluate(last)[:, 0], state[:, 0])
    np.testing.assert_array_equal(cnp.evaluate(y)[:, 0], 0)


def test_dropout_stands_between_layers() -> None:
    given = Case("lstm", {}, 2, True, True, False, None)
    x, *state = given.arrays()
    first = {name: each for name, each in given.parameters.items() if "_l0" in name}
    second = {name.replace("_l1", "_l0"): each for name, each in given.parameters.items() if "_l1" in name}
    between, _ = nn.lstm(x, tuple(each[:2] for each in state), first)
    expected, _ = nn.lstm(nn.dropout(between, 0.5, seed=3), tuple(each[2:] for each in state), second)
    y, _ = nn.lstm(x, tuple(state), given.parameters, dropout_rate=0.5, seed=3)
    np.testing.assert_array_equal(cnp.evaluate(y), cnp.evaluate(expected))


def test_the_graph_does_not_grow_with_the_number_of_times() -> None:
    given = Case("lstm", {}, 2, True, True, False, None)
    sizes = {len(nn.lstm(np.zeros((times, BATCH, INPUTS)), None, given.parameters)[0].graph) for times in (3, 1000)}
    assert len(sizes) == 1


CELLS: list[tuple[Any, Any, Callable[..., Any]]] = [
    (torch.nn.RNNCell, {}, nn.rnn_cell),
    (torch.nn.RNNCell, {"nonlinearity": "relu"}, nn.rnn_cell),
    (torch.nn.GRUCell, {}, nn.gru_cell),
    (torch.nn.LSTMCell, {}, nn.lstm_cell),
]


@pytest.mark.parametrize(("module", "options", "ours"), CELLS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_cells_are_torchs(module: Any, options: Any, ours: Callable[..., Any], bias: bool, batch: tuple[int]) -> None:
    torch.manual_seed(1)
    cell = module(INPUTS, HIDDEN, bias=bias, **options).double()
    operands = [
        torch.randn((*batch, size), dtype=torch.float64, requires_grad=True) for size in (INPUTS, HIDDEN, HIDDEN)
    ]
    x, h, c = operands
    is_pair = module is torch.nn.LSTMCell
    result = cell(x, (h, c) if is_pair else h)
    expected = [*(result if is_pair else [result])]
    used = operands if is_pair else operands[:2]
    gradients = torch.autograd.grad(sum((each**2).sum() for each in expected), [*used, *cell.parameters()])

    def loss(*args: Any) -> Any:
        state = (args[1], args[2]) if is_pair else args[1]
        outputs = ours(args[0], state, *args[len(used) :], **options)
        parts = [*(outputs if is_pair else [outputs])]
        return sum(cnp.sum(each**2) for each in parts), parts

    arrays = [each.detach().numpy() for each in [*used, *cell.parameters()]]
    (_, outputs), slopes = nn.value_and_grad(loss, range(len(arrays)), has_aux=True)(*arrays)
    for one, other in zip(cnp.evaluate(outputs), expected, strict=True):
        np.testing.assert_allclose(one, other.detach(), rtol=1e-10, atol=1e-12)
    for one, other in zip(cnp.evaluate(slopes), gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-10)


WEIGHTS = {"weight_ih_l0": np.ones((8, 3)), "weight_hh_l0": np.ones((8, 2))}
X = np.ones((5, 1, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nn.lstm(np.ones(3), None, WEIGHTS), "x has shape (3,); expected (times, batch, n)"),
        (
            lambda: nn.lstm(np.ones((5, 1, 4)), None, WEIGHTS),
            "weight_ih_l0 has shape (8, 3); expected (8, 4), for 4 inputs",
        ),
        (lambda: nn.gru(X, None, WEIGHTS), "weight_hh_l0 has shape (8, 2); expected (6, 2)"),
        (lambda: nn.lstm(X, None, {**WEIGHTS, "weights_ih_l1": 0}), "a parameter 'weights_ih_l1' was given"),
        (lambda: nn.gru(X, None, {**WEIGHTS, "weight_hr_l0": 0}), "a parameter 'weight_hr_l0' was given"),
        (lambda: nn.lstm(X, None, {"weight_ih_l0": np.ones((8, 3))}), "have no 'weight_hh_l0'"),
        (lambda: nn.lstm(X, None, {}), "have no 'weight_ih_l0' and no 'weight_hh_l0'"),
        (lambda: nn.lstm(X, None, {**WEIGHTS, "bias_ih_l0": np.ones(2)}), "the bias l0 has shape (2,); expected (8,)"),
        (lambda: nn.lstm(X, None, [np.ones(3)]), "expected a mapping with torch's names"),
        (lambda: nn.lstm(X, np.ones((1, 1, 2)), WEIGHTS), "expected a pair (hidden states, cells)"),
        (
            lambda: nn.lstm(X, (np.ones((2, 1, 2)), np.ones((1, 1, 2))), WEIGHTS),
            "state has shape (2, 1, 2); expected (1, 1, 2)",
        ),
        (lambda: nn.lstm(X, None, WEIGHTS, lengths=[6]), "lengths from 6 to 6 were given for 5 times"),
        (lambda: nn.lstm(X, None, WEIGHTS, lengths=[3, 3]), "lengths has shape (2,); expected (1,)"),
        (lambda: nn.rnn(X, None, WEIGHTS, nonlinearity="sin"), "expected one of 'tanh', 'relu'"),
        (lambda: nn.gru_cell(np.ones(3), np.ones(2), np.ones((6, 3)), np.ones((8, 2))), "expected (6, 2)"),
    ],
)
def test_what_does_not_fit_is_an_error_at_the_call(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()
