"""Winograd's convolutions: tiles of 2, 4 or 6 results along each axis of 3 taps (`mosaic/lowering/winograd.py`).

F(4, 3) multiplies a fourth as often as the definition over two axes, F(2, 3) 4 / 9 and F(6, 3) 64 / 324 as often. What
that gains is lost where transforms take long (few channels) or transformed filters come from memory for few tiles (small images).

Source:   see `mosaic.winograd.transforms`
Weakness: the error, which `ERRORS` states: that of F(4, 3) is about that of a plain sum of a few hundred terms of one sign, but
          in sums of random signs, where a plain sum loses less, it is 15 times as large. So F(6, 3) is taken by name only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from composit.nn.operations.convolution import Convolution, TransposedConvolution
from composit.operation import Operation, TensorType
from mosaic.algorithms.convolution.cases import no_tiles, operation_of, touched_cycles
from mosaic.algorithms.costs import memory_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.registry import Context, Value
from mosaic.lowering.winograd import transposed_winograd, winograd
from mosaic.winograd.blocks import WinogradBlocks, WinogradSpec, choose_blocks
from mosaic.winograd.transforms import known_outputs

ERRORS = {2: {4: 2e-6, 8: 5e-15}, 4: {4: 4e-6, 8: 1e-14}, 6: {4: 3e-5, 8: 6e-14}}
"""By results of a tile and bytes of a number: the largest error as a share of the largest sum of |x| * |filters|.

Measured over sums of up to 2,304 terms that are normal, uniform, of size 1, nearly equal or heavy-tailed; the largest that was seen
is a third of each."""

_default_tiles = (2, 4)
_cycles_per_point = 9.0  # of a transform, for each point of a tile and vector of channels: 8 to 9.5 on Sapphire Rapids
_cycles_per_tap = 20.0  # of filters that are transformed when the model runs: their lanes lie apart
_share = 0.8  # of the limit of multiply-adds
_waits_for_filters = 2.75
"""How much longer filters from beyond L2 take than a stream: 7.2 GB a second at 512 channels, 7 x 7 (Sapphire Rapids)."""
_far_bytes = 1 << 20
"""Transformed filters of so many bytes come from beyond L2 for each block of tiles."""

_waiting_tiles = 34
"""Fewer tiles wait for such filters: multiplying takes as long as their bytes take from there."""

_latency = 4  # a multiply-add waits so long for the one before it


def _why_not(case: Case) -> str:
    operation, filters = operation_of(case), case.operand_types[1].shape
    if no_tiles(case):
        return no_tiles(case)
    if set(operation.strides) != {1} or set(operation.dilation) != {1}:
        return f"strides and dilation must be 1, not {operation.strides} and {operation.dilation}"
    kernel = filters[2:]
    if len(kernel) > 2 or not set(kernel) <= {1, 3} or 3 not in kernel:
        return f"filters must have 3 taps along one or two axes, not {' x '.join(map(str, kernel))}"
    return ""


def _spec(groups: int, result: TensorType, filters: TensorType, outputs: int) -> WinogradSpec:
    num_batch, num_outputs, *positions = result.shape
    kernel, each = filters.shape[2:], max(1, num_outputs // groups)
    channels = math.prod(filters.shape[:2]) // num_outputs if num_outputs else 0
    along = [-(-length // outputs) if taps == 3 else length for length, taps in zip(positions, kernel, strict=True)]
    points, tiles = (outputs + 2) ** kernel.count(3), num_batch * math.prod(along)
    return WinogradSpec(result.dtype, tiles, points, channels, each, groups)


def _num_cycles(case: Case, outputs: int) -> float:
    """Return the cycles of transforms, of products, which wait for filters from memory, and of reading and writing."""
    spec = _spec(operation_of(case).groups, case.types[0], case.operand_types[1], outputs)
    touched = touched_cycles(case)
    if not spec.tiles or not spec.channels or not spec.outputs:
        return touched
    blocks, lanes = choose_blocks(spec, case.target), case.target.lanes(spec.dtype.itemsize)
    inputs = math.ceil(spec.channels / lanes) * math.ceil(blocks.num_panels(spec) / blocks.panels)
    vectors = inputs + math.ceil(spec.outputs / lanes)
    transforms = spec.groups * spec.tiles * vectors * spec.points * _cycles_per_point
    if not case.is_constant[1]:
        transforms += math.prod(case.operand_types[1].shape) / lanes * (_cycles_per_tap + spec.points)
    return transforms + _product_cycles(case, spec, blocks) + touched


def _product_cycles(case: Case, spec: WinogradSpec, blocks: WinogradBlocks) -> float:
    panels, vectors = blocks.num_panels(spec), blocks.product.nr // case.target.lanes(spec.dtype.itemsize)
    rows = math.ceil(blocks.tiles / blocks.product.mr) * blocks.num_tile_blocks(spec)
    each = max(spec.tiles / rows * vectors / 2 / _share, _latency)
    filters = spec.points * spec.channels * panels * blocks.product.nr * spec.dtype.itemsize
    products = rows * panels * spec.points * spec.channels * each
    waits = 1 if filters <= case.target.caches.l2 else _waits_for_filters
    return spec.groups * max(products, blocks.num_tile_blocks(spec) * memory_cycles(filters, case.target) * waits)


def _best(groups: int, result: TensorType, filters: TensorType) -> int:
    """Return the results of a tile with the fewest multiplications, where few tiles count as `_waiting_tiles`."""

    def num_points(outputs: int) -> int:
        spec = _spec(groups, result, filters, outputs)
        size = spec.groups * spec.points * spec.channels * spec.outputs * spec.dtype.itemsize
        return spec.points * max(spec.tiles, _waiting_tiles if size > _far_bytes else 1)

    return min(reversed(_default_tiles), key=num_points)


def _error(outputs: Sequence[int]) -> str:
    single, double = (max(ERRORS[each][size] for each in outputs) for size in (4, 8))
    return f"error at most {single:.0e} (float32) or {double:.0e} (float64) of the largest sum of |x| * |filters|"


def _lower(operation: Operation, context: Context, outputs: int | None = None) -> Sequence[Value]:
    assert isinstance(operation, Convolution | TransposedConvolution), "registered for convolutions"
    best = outputs or _best(operation.groups, context.types[0], context.operand_types[1])
    if isinstance(operation, TransposedConvolution):
        return transposed_winograd(operation, context, best)
    return winograd(operation, context, best)


def _cycles(case: Case, outputs: int | None = None) -> float:
    best = outputs or _best(operation_of(case).groups, case.types[0], case.operand_types[1])
    return _num_cycles(case, best)


_reduced = "transformed tiles, {} for each axis of 3 taps, and a product for each point of a tile"
_lowerings = {outputs: partial(_lower, outputs=outputs) for outputs in known_outputs}

for _operation in ("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"):
    _summary = _reduced.format("2 or 4 results, by shape,")
    register(Algorithm(_operation, "winograd", _summary, _lower, _cycles, _why_not, error=_error(_default_tiles)))
    for _outputs in known_outputs:
        register(
            Algorithm(
                _operation,
                f"winograd f({_outputs},3)",
                _reduced.format(f"{_outputs} results"),
                _lowerings[_outputs],
                partial(_cycles, outputs=_outputs),
                _why_not,
                is_default=False,
                error=_error((_outputs,)),
            )
        )
