"""Moves the elementwise definition that follows a product into the product's epilogue.

Before:  t = x @ w; y = gelu(t + b)
After:   y = gelu((x @ w) + b), computed where the sums are stored
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from mosaic.ir.affine import most, moves
from mosaic.ir.expressions import Accumulated, Expression, Load, loads, rewrite, size, walk
from mosaic.ir.kinds import Kind, Product
from mosaic.ir.statements import Definition, IrProgram, Matmul, Statement
from mosaic.ir.views import Buffer, BufferKind, View, numbers_only
from mosaic.lowering.registry import Memory
from mosaic.passes.canonical_axes import in_memory_order, without_unit_axes
from mosaic.passes.inline_elementwise import is_movement, largest_expression
from mosaic.passes.product_positions import with_most_rows, with_positions
from mosaic.passes.remove_unused import remove_unused
from mosaic.passes.uses import moves_behind_update, readers, updates

fewest_rows = 6
"""A product of fewer rows would leave registers for sums empty, which costs more than a pass over the result."""


def fuse_epilogues(program: IrProgram, memory: Memory) -> IrProgram:
    """Return the program in which each product's only user is its epilogue, if it is elementwise over the product.

    What brings channels that are stored last into another order stays a pass of its own: each vector of an epilogue would go to as
    many lines of memory as it has lanes. Such a pass only copies, by squares in registers; the epilogue computes.

    Pre:  statements are definitions, matmuls and islands
    Post: no product is left whose result nothing reads, as of stack([x @ w, y @ w])[1] after both have their epilogues
    """
    statements: list[Statement | None] = list(program.statements)
    users = readers(program.statements)
    updated, protected = updates(program), frozenset(program.delivered)
    copies: dict[int, Definition] = {}
    for position, statement in enumerate(statements):
        if not isinstance(statement, Product) or statement.result.buffer in protected:
            continue
        places = users.get(statement.result.buffer, [])
        if len(places) != 1 or moves_behind_update(statement.reads(), updated, position, places[0]):
            continue
        user = statements[places[0]]
        fused = None if user is None else with_epilogue(user, statement)
        if user is None or fused is None:
            continue
        # The fused product takes the user's position, after everything that the epilogue reads.
        if statement.result.buffer not in memory.reordered or fused.result.strides[-1] == 1:
            statements[position], statements[places[0]] = None, _by_rows(fused)
        elif _pays_with_copy(user, fused, statement.result):
            product = fused.with_epilogue(statement.result, fused.epilogue, fused.origins)
            statements[position], statements[places[0]] = None, product
            copies[places[0]] = _copy(fused, statement.result)
    every = (each for place, one in enumerate(statements) for each in (one, copies.get(place)))
    joined = (with_most_rows(each) for each in every if each is not None)
    return remove_unused(replace(program, statements=tuple(joined)))


@singledispatch
def _pays_with_copy(user: Kind, fused: Product, stored: View) -> bool:
    """Whether a product computes what its user does where it stores its sums, and a copy brings that into the user's order."""
    return False


@_pays_with_copy.register
def _(user: Definition, fused: Product, stored: View) -> bool:
    is_alike = fused.result.dtype == stored.dtype and fused.result.extents == stored.extents
    # What lies in the user's order would be loaded lane by lane.
    lies_alike = all(load.view.strides[-1] in (0, 1) for load in loads(fused.epilogue))
    return is_alike and lies_alike and not is_movement(user.expression)


def _copy(fused: Product, stored: View) -> Definition:
    """Return the copy of a product's values to where its user stored them."""
    return in_memory_order(Definition(fused.result, Load(stored), fused.origins))


@singledispatch
def _by_rows(product: Product) -> Product:
    """Return a product stored by rows: what is no product of matrices, as it is."""
    return product


@_by_rows.register
def _(matmul: Matmul) -> Product:
    """Return a product whose result is stored by columns, as of a gradient of w in `x @ w.T`, as one that is stored by rows.

    A constant stays on the right, where it is packed when the model is built.
    """
    rows, columns = matmul.result.strides[-2:]
    if matmul.right.buffer.kind is BufferKind.CONSTANT or matmul.is_in_place is not None:
        return matmul
    is_by_columns = rows == 1 and columns != 1 and min(matmul.sizes) > 1 and len(matmul.depth) == 1
    return matmul.exchanged() if is_by_columns else matmul


@singledispatch
def with_epilogue(user: Kind, product: Product) -> Product | None:
    """Return the product with the user's expression as its epilogue, or None if it is not elementwise over it."""
    return None


@with_epilogue.register
def _(user: Definition, product: Product) -> Product | None:
    if user.reducer is not None or user.base is not None or user.num_elements != product.result.size:
        return None
    product, shaped = _in_one_shape(product, in_order_of(product.result.buffer, user))
    if shaped is None or shaped.result.dtype.itemsize > product.result.dtype.itemsize:
        return None
    for load in loads(shaped.expression):
        if load.view.buffer is product.result.buffer and not same_elements(load.view, product.result):
            return None
    if any(isinstance(part, Load) and part.gathers for part in walk(shaped.expression)):
        return None

    def accumulated(part: Expression) -> Expression | None:
        is_product = isinstance(part, Load) and part.view.buffer is product.result.buffer
        return product.epilogue if is_product else None

    expression = rewrite(shaped.expression, accumulated)
    if size(expression) > largest_expression or not any(isinstance(part, Accumulated) for part in walk(expression)):
        return None
    origins = tuple(dict.fromkeys((*product.origins, *user.origins)))
    return product.with_epilogue(shaped.result, expression, origins)


@singledispatch
def _in_one_shape(product: Product, user: Definition) -> tuple[Product, Definition | None]:
    """Return product and user with the same axes: those of the product."""
    return product, user.reshaped(product.result.shape, ())


@_in_one_shape.register
def _(matmul: Matmul, user: Definition) -> tuple[Product, Definition | None]:
    """Return product and user with the same axes: the product's, or the user's where its rows are not evenly apart.

    Rows that go into the middle of an array with a border, y[56, 56, 144 by 8352, 144, 1], are rows of 56 products.
    """
    shaped = _shaped_as(matmul.result, user)
    *positions, columns = user.result.extents or (1,)
    if shaped is not None or columns != matmul.result.shape[-1] or len(positions) < 2 or moves(user.result.extents):
        return matmul, shaped
    if most(positions[-1]) < fewest_rows:
        return matmul, None
    split = with_positions(matmul, numbers_only(tuple(positions)))
    return (matmul, None) if split is None else (split, user)


def _shaped_as(result: View, user: Definition) -> Definition | None:
    """Return the user, whose axes are in the order of memory, with those of a product, whose columns lie side by side.

    The lines of an image whose channels come first are products y[56, 64, 56 by 56, 3136, 1].
    """
    order = sorted(range(result.ndim), key=lambda axis: (-result.strides[axis], axis))
    if result.strides[-1] != 1 or order == list(range(result.ndim)):
        return user.reshaped(result.shape, ())
    shaped = user.reshaped(tuple(result.shape[axis] for axis in order), ())
    return None if shaped is None else shaped.transposed([order.index(axis) for axis in range(result.ndim)])


def in_order_of(buffer: Buffer, user: Definition) -> Definition:
    """Return the definition with its axes in the order in which a dense buffer that it reads has them."""
    user = without_unit_axes(user)
    seen = next(load.view for load in loads(user.expression) if load.view.buffer is buffer)
    order = sorted(range(seen.ndim), key=lambda axis: (-seen.strides[axis], axis))
    if 0 in seen.strides or order == list(range(seen.ndim)):
        return user
    return user.transposed(order)


def same_elements(seen: View, stored: View) -> bool:
    """Whether two views of one buffer show the same element at every index."""
    return (seen.offset, seen.extents) == (stored.offset, stored.extents) and all(
        extent == 1 or one == other
        for extent, one, other in zip(seen.extents, seen.strides, stored.strides, strict=True)
    )
