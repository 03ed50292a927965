"""The table of torch operations: `register` adds the function that builds an operation's graph, `traits_of` reads torch's schema.

The rows are in flashlight/operations; any package may add more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeVar

import torch
from torch._ops import OpOverload, OpOverloadPacket

from composit.errors import ParameterError
from composit.operation import Dtype, Shape
from flashlight.conversion import HALVES, computing_dtype, numpy_dtype

# Takes the call and torch's arguments, with lazy tensors in place of tensors; returns lazy tensors. NotImplemented means
# that the row does not cover this call, which is then captured through torch's decomposition.
Row: TypeAlias = Callable[..., Any]
DeclaredRow = TypeVar("DeclaredRow", bound=Row)


class Call:
    """One call of a torch operation and torch's result, as rows receive it.

    arguments, keywords: as torch got them, with real tensors
    result:              what torch returns; torch runs when somebody first asks. A row that draws, or does not cover the call,
                         says so before, since the parts of the operation would then run a second time
    """

    __slots__ = ("_results", "arguments", "keywords", "operation")

    def __init__(self, operation: OpOverload[..., Any], arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        self.operation = operation
        self.arguments = arguments
        self.keywords = keywords
        self._results: tuple[Any, ...] = ()

    @property
    def has_run(self) -> bool:
        """Whether torch has run the operation."""
        return bool(self._results)

    @property
    def row_is_missing(self) -> bool:
        """Whether the operation has no row."""
        return find_row(self.operation) is None

    @property
    def stops_gradient(self) -> bool:
        """Whether the first argument is a tensor that autograd follows, which a detached result ends."""
        first = self.arguments[0] if self.arguments else None
        return isinstance(first, torch.Tensor) and first.requires_grad

    @property
    def result(self) -> Any:
        """What torch returns."""
        if not self._results:
            self._results = (self.operation(*self.arguments, **self.keywords),)
        return self._results[0]

    @property
    def first(self) -> torch.Tensor:
        """The first tensor of the result."""
        result = self.result
        while isinstance(result, list | tuple):
            result = result[0]
        assert isinstance(result, torch.Tensor)
        return result

    @property
    def dtype(self) -> Dtype:
        """The dtype of the (first) result, as torch decided it; float32 for half precision, in which torch computes."""
        return self.dtype_of(self.first)

    def dtype_of(self, result: torch.Tensor) -> Dtype:
        """Return the dtype that the row gives a result."""
        if result.dtype in HALVES and not traits_of(self.operation).moves_elements:
            return computing_dtype(result.dtype)
        return numpy_dtype(result.dtype)

    @property
    def shape(self) -> Shape:
        """The shape of the (first) result."""
        return tuple(self.first.shape)

    @property
    def result_types(self) -> list[tuple[Dtype, Shape]]:
        """The dtypes and shapes of all results that are tensors."""
        results = self.result if isinstance(self.result, list | tuple) else [self.result]
        return [(self.dtype_of(each), tuple(each.shape)) for each in results if isinstance(each, torch.Tensor)]

    def common_dtype(self, *positions: int) -> Dtype:
        """Return the dtype in which torch computes on the arguments at these positions: its promotion, not numpy's."""
        return computing_dtype(self.promoted(*positions))

    def promoted(self, *positions: int) -> torch.dtype:
        """Return the torch dtype to which torch promotes the arguments at these positions."""
        operands = [self.arguments[position] for position in positions]
        if len(operands) > 1:
            return torch.result_type(operands[0], operands[1])
        return operands[0].dtype if isinstance(operands[0], torch.Tensor) else torch.result_type(operands[0], 0)

    @property
    def half(self) -> torch.dtype | None:
        """The half precision of the first tensor among the arguments, None if it has another dtype."""
        first = next((each for each in self.arguments if isinstance(each, torch.Tensor)), None)
        return first.dtype if first is not None and first.dtype in HALVES else None


_rows: dict[OpOverload[..., Any] | OpOverloadPacket[..., Any], Row] = {}
_traits: dict[OpOverload[..., Any], Traits] = {}


def register(*operations: OpOverload[..., Any] | OpOverloadPacket[..., Any]) -> Callable[[DeclaredRow], DeclaredRow]:
    """Register the decorated function as the row that builds the graph of these torch operations.

    The function gets the `Call` and torch's arguments with lazy tensors in place of tensors, and returns lazy tensors of
    the shapes and dtypes that torch returned (`call.shape`, `call.dtype`). Tensors of half precision come as float32, and what
    the row returns for them is rounded (flashlight/half_precision.py). A packet such as `torch.ops.aten.add` stands
    for all its overloads. In-place and `out=` forms follow from the plain one.

    Raises:  ParameterError: an argument is no torch operation
    Example:
        >>> import torch
        >>> @torch.library.custom_op("example::doubled", mutates_args=())
        ... def doubled(x: torch.Tensor) -> torch.Tensor:
        ...     return 2 * x
        >>> @register(torch.ops.example.doubled)
        ... def row(call, x):
        ...     return 2 * x
    """
    for operation in operations:
        if not isinstance(operation, OpOverload | OpOverloadPacket):
            raise ParameterError(
                f"register: {operation!r:.80} of type {type(operation).__name__} was given; expected an operation of torch.ops, such as "
                "torch.ops.aten.add or torch.ops.aten.add.Tensor"
            )

    def add(row: DeclaredRow) -> DeclaredRow:
        for operation in operations:
            _rows[operation] = row
        _traits.clear()
        return row

    return add


def place_for_row(operation: OpOverload[..., Any]) -> str:
    """Return where a row for the operation belongs, for errors: the file of the row whose operation has the nearest name."""
    namespace, name = operation._schema.name.split("::")
    if namespace not in ("aten", "prims"):
        return "in a module of your own, imported before the trace"
    rows = {str(known).split(".")[1]: row for known, row in _rows.items() if str(known).startswith("aten.")}
    nearest = get_close_matches(name, rows, n=1, cutoff=0.0)[0]
    return f"in {file_of(rows[nearest])}, if it is of the kind of {nearest}, or in another file there"


def file_of(row: Row) -> str:
    """Return the file in which a row is written, as a path from the package's folder."""
    return f"{row.__module__.replace('.', '/')}.py"


def registered_operations() -> list[str]:
    """Return the names of all operations that have a row."""
    return sorted(str(operation) for operation in _rows)


@dataclass(frozen=True, slots=True)
class Traits:
    """The properties of a torch operation that capturing it depends on; cached per operation.

    row:                  the function that builds its graph, None where there is none
    writes:               the arguments it writes to, by position and name
    out_arguments:        the `out=` arguments, which rows do not get
    may_alias:            a result may share memory with an argument
    moves_view:           it changes an argument's shape in place, and no element (`transpose_`)
    is_view:              its results share memory with arguments, and it writes nothing
    is_random:            it draws random numbers
    reads_values:         it returns a Python number (`item`), a result whose shape depends on values (`nonzero`), or draws that do
    can_decompose:        torch makes it of other operations before any mode sees it
    is_composite:         it has no row, and torch can decompose it
    needs_decomposition:  it has no row, and its results belong in the graph
    read_arguments:       the positions of arguments whose values decide the shapes of results
    """

    row: Row | None
    writes: tuple[tuple[int, str], ...]
    out_arguments: frozenset[str]
    may_alias: bool
    moves_view: bool
    is_view: bool
    is_random: bool
    reads_values: bool
    can_decompose: bool
    is_composite: bool
    needs_decomposition: bool
    read_arguments: tuple[int, ...]

    @property
    def moves_elements(self) -> bool:
        """Whether its results are elements of an argument, as they are."""
        return self.is_view or self.moves_view


# Operations that write to arguments without marking them in their schema.
_UNMARKED_WRITES: dict[OpOverload[..., Any], tuple[tuple[int, str], ...]] = {
    torch.ops.aten.native_batch_norm.default: ((3, "running_mean"), (4, "running_var")),
    torch.ops.aten.batch_norm.default: ((3, "running_mean"), (4, "running_var")),
}


aten = torch.ops.aten
# Draws that depend on the shape and dtype of a tensor alone; the values of the others (`bernoulli`) are guarded.
_DRAWS_BY_SHAPE: frozenset[OpOverload[..., Any] | OpOverloadPacket[..., Any]] = frozenset(
    (
        *(aten.rand_like, aten.randn_like, aten.randint_like, aten.rand, aten.randn, aten.randint, aten.randperm),
        *(aten.uniform, aten.uniform_, aten.normal_, aten.normal_functional, aten.random, aten.random_),
        *(aten.exponential, aten.exponential_, aten.geometric, aten.geometric_, aten.cauchy, aten.cauchy_),
        *(aten.log_normal, aten.log_normal_, aten.bernoulli.p, aten.bernoulli_.float),
    )
)


# Operations whose rows take the values of these arguments as constants, since shapes of results follow from them.
_READ_ARGUMENTS: dict[OpOverload[..., Any], tuple[int, ...]] = {
    aten._pack_padded_sequence.default: (1,),
}


# Questions about tensors that shapes, dtypes and devices answer, and checks that evaluation repeats; the answer of any other
# operation to Python is a read.
_KNOWN_WITHOUT_VALUES: frozenset[OpOverloadPacket[..., Any]] = frozenset(
    getattr(aten, name)
    for name in (
        "can_cast dense_dim dim is_coalesced is_complex is_conj is_contiguous is_distributed is_floating_point is_inference "
        "is_leaf is_neg is_non_overlapping_and_dense is_pinned is_same_size is_set_to is_signed is_strides_like_format "
        "numel output_nr result_type retains_grad size sparse_dim storage_offset stride sym_is_contiguous sym_numel sym_size "
        "sym_storage_offset sym_stride _debug_has_internal_overlap _has_compatible_shallow_copy_type _has_same_storage_numel "
        "_is_zerotensor _version _linalg_check_errors"
    ).split()
    if hasattr(aten, name)
)


def traits_of(operation: OpOverload[..., Any]) -> Traits:
    """Return the traits of an operation."""
    known = _traits.get(operation)
    if known is None:
        known = _traits[operation] = _find_traits(operation)
    return known


def _find_traits(operation: OpOverload[..., Any]) -> Traits:
    schema, tags, row = operation._schema, set(operation.tags), find_row(operation)
    writes = _UNMARKED_WRITES.get(operation, _marked_writes(operation))
    is_aliasing = any(result.alias_info is not None for result in schema.returns)
    returns_tensors = any("Tensor" in str(result.type) for result in schema.returns) or bool(writes)
    is_random = torch.Tag.nondeterministic_seeded in tags
    reads_values = (
        torch.Tag.data_dependent_output in tags
        or torch.Tag.dynamic_output_shape in tags
        or (takes_tensors(schema) and not returns_tensors and operation.overloadpacket not in _KNOWN_WITHOUT_VALUES)
        or (is_random and operation.overloadpacket not in _DRAWS_BY_SHAPE and operation not in _DRAWS_BY_SHAPE)
    )
    can_decompose = operation._can_decompose()
    return Traits(
        row=row,
        writes=writes,
        out_arguments=frozenset(argument.name for argument in schema.arguments if argument.is_out),
        may_alias=is_aliasing or can_decompose or torch.Tag.maybe_aliasing_or_mutating in tags,
        moves_view=torch.Tag.inplace_view in tags,
        is_view=is_aliasing and not writes,
        is_random=is_random,
        reads_values=reads_values,
        can_decompose=can_decompose,
        is_composite=row is None and can_decompose and (is_random or not reads_values),
        needs_decomposition=row is None and returns_tensors and not is_random and not reads_values,
        read_arguments=_READ_ARGUMENTS.get(operation, ()),
    )


def takes_tensors(schema: torch.FunctionSchema) -> bool:
    """Return whether some argument of an operation is a tensor."""
    return any("Tensor" in str(argument.type) for argument in schema.arguments)


def _marked_writes(operation: OpOverload[..., Any]) -> tuple[tuple[int, str], ...]:
    return tuple(
        (position, argument.name)
        for position, argument in enumerate(operation._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )


def decomposable_forms(operation: OpOverload[..., Any]) -> list[OpOverload[..., Any]]:
    """Return the operations to look up in torch's decompositions: the plain form of an in-place one (add for add_), else itself."""
    plain = [form for form in _plain_forms(operation) if isinstance(form, OpOverload)]
    return plain if operation._schema.is_mutable else [operation]


def find_row(operation: OpOverload[..., Any]) -> Row | None:
    """Return the row of the operation itself, of all its overloads, or of the plain form of an in-place operation."""
    for candidate in (operation, operation.overloadpacket, *_plain_forms(operation)):
        row = _rows.get(candidate)
        if row is not None:
            return row
    return None


def _plain_forms(operation: OpOverload[..., Any]) -> list[OpOverload[..., Any] | OpOverloadPacket[..., Any]]:
    """Return the operations that compute the same without writing: add.Tensor for add_.Tensor; then all overloads."""
    if not operation._schema.is_mutable:
        return []
    packet = _packet(operation.namespace, _plain_name(operation._schema.name.split("::")[1]))
    if packet is None:
        return []
    wanted = _arguments_of(operation)
    overloads = [getattr(packet, name) for name in packet.overloads()]
    same = [form for form in overloads if not form._schema.is_mutable and _arguments_of(form) == wanted]
    return [*same, packet]


def _arguments_of(operation: OpOverload[..., Any]) -> list[tuple[str, str]]:
    return [(argument.name, str(argument.type)) for argument in operation._schema.arguments if not argument.is_out]


def _plain_name(name: str) -> str:
    if name.startswith("__i") and name.endswith("__"):
        return f"__{name[3:]}"
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def _packet(namespace: str, name: str) -> OpOverloadPacket[..., Any] | None:
    operations = getattr(torch.ops, namespace)
    packet = getattr(operations, name, None)
    return packet if isinstance(packet, OpOverloadPacket) else None
