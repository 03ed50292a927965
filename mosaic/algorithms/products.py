"""Algorithms of matrix products (`mosaic/lowering/linalg.py`).

gemm                      tiles in registers; a constant right operand is packed once, another as `store_panels` finds best
gemv                      one row or one column: the matrix is read once, where it lies
small-m                   tiles over a right operand that is read where it lies, for few rows
gemm packed at run time   tiles over panels that each call stores
gemm packed once          tiles over panels that are stored when the program is compiled, of a constant
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from composit.operation import Operation
from mosaic.algorithms.costs import memory_cycles, num_bytes, product_cycles
from mosaic.algorithms.record import Algorithm, Case, Lowering
from mosaic.algorithms.registry import register
from mosaic.lowering.linalg import Append, append_product, append_tiles, lower_matmul
from mosaic.lowering.registry import Context, Value
from mosaic.matmul.blocking import few_rows

_SHARE = 0.85  # of the limit, with panels
_SHARE_IN_PLACE = 0.6  # of the limit: rows of the right operand lie far apart


def _sizes(case: Case) -> tuple[int, int, int]:
    """Return the rows, columns and depth of each product of matrices."""
    left, right = (each.shape for each in case.operand_types)
    rows = left[-2] if len(left) > 1 else 1
    return rows, right[-1] if len(right) > 1 else 1, left[-1]


def _num_products(case: Case) -> int:
    return math.prod(case.types[0].shape) * _sizes(case)[2]


def _is_vector(case: Case) -> bool:
    return min(_sizes(case)[:2]) == 1


def _no_tiles(case: Case) -> str:
    dtypes = {each.dtype for each in (*case.operand_types, *case.types)}
    if len(dtypes) > 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        return f"tiles are of float32 or float64, the same for both operands, not {', '.join(map(str, case.operand_types))}"
    return "" if _sizes(case)[2] else "the depth is empty"


def _no_vector(case: Case) -> str:
    rows, columns, _ = _sizes(case)
    return "" if _is_vector(case) else f"there is neither one row nor one column, but {rows} x {columns}"


def _no_place(case: Case) -> str:
    if case.is_constant[1]:
        return "the right operand is constant, so that its panels are stored once"
    return _no_tiles(case)


def _no_constant(case: Case) -> str:
    return _no_tiles(case) or ("" if case.is_constant[1] else "the right operand is not constant")


def _item_bytes(case: Case) -> int:
    return case.types[0].dtype.itemsize


def _touched(case: Case) -> float:
    return memory_cycles(num_bytes((*case.operand_types, *case.types)), case.target)


def _gemm_cycles(case: Case) -> float:
    if _is_vector(case):
        return 2 * _gemv_cycles(case)  # tiles of which one row, or one column, is used
    own = product_cycles(_num_products(case), _item_bytes(case), case.target, _SHARE)
    return max(own, _touched(case)) + 1


def _gemv_cycles(case: Case) -> float:
    return max(product_cycles(_num_products(case), _item_bytes(case), case.target), _touched(case))


def _small_cycles(case: Case) -> float:
    share = _SHARE_IN_PLACE if _sizes(case)[0] > few_rows else _SHARE
    return max(product_cycles(_num_products(case), _item_bytes(case), case.target, share), _touched(case)) + 2


def _packing_cycles(case: Case) -> float:
    return _gemm_cycles(case) + 2 * memory_cycles(num_bytes(case.operand_types[1:]), case.target)


def _once_cycles(case: Case) -> float:
    return _gemm_cycles(case) + 1


def _lowered(append: Append) -> Lowering:
    def lower_by(operation: Operation, context: Context) -> Sequence[Value]:
        return lower_matmul(context, append)

    return lower_by


_tiles: Append = append_tiles
_rows: tuple[tuple[str, str, Append, Callable[[Case], float], Callable[[Case], str]], ...] = (
    ("gemm", "tiles in registers, panels where they pay", _tiles, _gemm_cycles, _no_tiles),
    ("gemv", "one row or column: each element of the matrix is read once", append_product, _gemv_cycles, _no_vector),
    ("small-m", "tiles that read the right operand where it lies", partial(append_tiles, is_in_place=True),
     _small_cycles, _no_place),
    ("gemm packed at run time", "tiles on panels that each call stores", partial(append_tiles, is_in_place=False),
     _packing_cycles, _no_place),
    ("gemm packed once", "tiles on panels that are stored when the program is compiled", _tiles, _once_cycles, _no_constant),
)  # fmt: skip


def _has_tiles(case: Case) -> str:
    return "" if _no_tiles(case) else "its dtype has tiles"


def _sums_cycles(case: Case) -> float:
    return 8 * product_cycles(_num_products(case), _item_bytes(case), case.target) + _touched(case)


for _name, _summary, _append, _cycles, _why_not in _rows:
    register(Algorithm("matmul", _name, _summary, _lowered(_append), _cycles, _why_not))
register(Algorithm("matmul", "sums", "a sum for each element", _lowered(append_product), _sums_cycles, _has_tiles))
