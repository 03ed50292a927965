"""The generated kernel alone, without graph or model around it; B is packed beforehand, as a model's weights are."""

import ctypes
from collections.abc import Sequence

import numpy as np

from benchmarks.contender import Run
from benchmarks.gemm_contenders.product import Matrix, Product
from mosaic import c
from mosaic.c.helpers import in_dependency_order
from mosaic.matmul.blocking import MatmulSpec, choose_blocking, num_tasks
from mosaic.matmul.product import Matmul, emit_matmul
from mosaic.runtime.compilation import compile_library
from mosaic.targets import detect
from mosaic.tiling.layout import panels, tilize
from mosaic.vector.memory import store, store_partial
from mosaic.vector.vector_types import vector_type


def prepare(product: Product) -> Run:
    """A compiled function that multiplies these matrices."""
    matmul = _plain_matmul(product)
    text = c.unit_text(c.TranslationUnit(in_dependency_order([emit_matmul(matmul)])))
    multiply = ctypes.CDLL(str(compile_library(text, target=matmul.target)))[matmul.name]
    multiply.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    multiply.restype = None
    packed = tilize(product.b, panels(matmul.blocking.nr))
    result = np.empty((product.a.shape[0], product.b.shape[1]), product.a.dtype)
    tasks = num_tasks(matmul.spec, matmul.blocking)
    addresses = [each.ctypes.data for each in (product.a, packed, result)]

    def run() -> Matrix:
        for _ in range(product.times):
            multiply(0, tasks, *addresses)
        assert packed.ctypes.data == addresses[1]  # keeps the panels alive as long as the run
        return result

    return run


def _plain_matmul(product: Product) -> Matmul:
    """The product with an epilogue that stores it row by row."""
    target = detect()
    (rows, depth), columns = product.a.shape, product.b.shape[1]
    vector = vector_type(product.a.dtype, target.lanes(product.a.dtype.itemsize))

    def epilogue(
        row: c.Expression, column: c.Expression, value: c.Expression, lanes: c.Expression | None
    ) -> Sequence[c.Statement]:
        place = c.Name("out") + (row * columns + column)
        if lanes is None:
            return (c.ExpressionStatement(store(vector)(place, value)),)
        return (c.ExpressionStatement(store_partial(vector)(place, value, lanes)),)

    spec = MatmulSpec(product.a.dtype, rows, columns, depth, a_row_stride=depth)
    out = c.Parameter(c.pointer(vector.element.ctype), "out")
    helpers = (store(vector), store_partial(vector))
    return Matmul(spec, choose_blocking(spec, target), target, "multiply", epilogue, (out,), helpers)
