"""What an operation is: a record of parameters with a type rule, a meaning in numpy and a derivative.

Lives here: `TensorType`, `OperationKind`, `VjpContext`, `Operation`, and the two leaves `Input` and `Scalar`. Not here: any
operation of numpy's (those live in `composit/numpy/<family>.py`), nodes, tensors.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

from composit.errors import MissingDerivativeError, NoValueError, ShapeError
from composit.keys import Key, digest, encode, fresh_token

Shape: TypeAlias = tuple[int, ...]
Axes: TypeAlias = tuple[int, ...]
Dtype: TypeAlias = np.dtype[Any]  # Any: numpy's dtype parameter says nothing that we use
Array: TypeAlias = np.ndarray[Any, Any]  # Any: shape and dtype are values here, not static types
PythonScalar: TypeAlias = bool | int | float | complex
Result: TypeAlias = Array | np.generic | PythonScalar
Results: TypeAlias = Result | tuple[Result, ...]  # of one operation: several results are a tuple


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class TensorType:
    """Shape and dtype of a value, known before it is computed. `tensor_type` interns them: equal types are one object.

    is_scalar: numpy would give a scalar (np.float64), not a rank-0 array
    weak:      int, float or complex for a Python scalar, which does not decide a result's dtype (NEP 50), else None
    handle:    the class of tensors of this type, as an index into HANDLE_KINDS
    """

    shape: Shape
    dtype: Dtype
    is_scalar: bool
    weak: type | None
    handle: int

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    def __reduce__(self) -> tuple[Callable[..., TensorType], tuple[object, ...]]:
        return tensor_type, (self.shape, self.dtype, self.is_scalar, self.weak)

    def key(self) -> Key:
        return encode((self.shape, self.dtype, self.is_scalar, self.weak))


# Arrays, scalars that are no numbers (truth values, dates, ...), and numbers by the character of their dtype.
HANDLE_KINDS = ("array", "scalar", *"efdgFDGbBhHiIlLqQ")
_HANDLE_OF_NUMBERS = {char: place for place, char in enumerate(HANDLE_KINDS) if len(char) == 1}


# Interned for the life of the process: a type is small, and programs have few. Equal types are one object, so caches of
# types compare by identity; building a node takes about a microsecond because of that.
_interned: dict[tuple[Shape, Dtype, int, bool, type | None], TensorType] = {}
# numpy's limit for arrays, and for the depth of nested lists.
MAX_NUM_AXES = 64
# numpy's limit for a length, and for the bytes of an array.
MAX_NUM_BYTES = 2**63 - 1


def tensor_type(
    shape: Shape, dtype: Dtype | type | str, is_scalar: bool = False, weak: type | None = None
) -> TensorType:
    """Return the one TensorType of this shape and dtype.

    Example:
        >>> tensor_type((2, 3), "float32") is tensor_type((2, 3), np.float32)
        True

    Raises:  ShapeError: numpy has no array with so many axes, or of that size
    """
    given = np.dtype(dtype)
    # With the type number: long and longlong compare equal, but numpy keeps them apart.
    key = (shape, given, given.num, is_scalar, weak)
    known = _interned.get(key)
    if known is None and is_scalar and not given.isnative and given.names is None:
        # numpy's scalars always have the machine's byte order.
        known = _interned[key] = tensor_type(shape, given.newbyteorder("="), is_scalar, weak)
    elif known is None:
        _check_size(shape, given)
        handle = _HANDLE_OF_NUMBERS.get(given.char, 1) if is_scalar else 0
        known = _interned.setdefault(key, TensorType(shape, given, is_scalar, weak, handle))
    return known


def _check_size(shape: Shape, dtype: Dtype) -> None:
    if len(shape) > MAX_NUM_AXES:
        raise ShapeError(
            f"maximum supported dimension for an ndarray is currently {MAX_NUM_AXES}, found {len(shape)}: the shape would be"
            f" {shape}; reshape to fewer axes first"
        )
    if max(shape, default=0) > MAX_NUM_BYTES:
        raise ShapeError(
            f"Maximum allowed dimension exceeded: the shape would be {shape}; expected lengths up to {MAX_NUM_BYTES}"
        )
    # As numpy counts: a length of 0 does not make an array with other lengths small.
    if math.prod(length for length in shape if length) * dtype.itemsize > MAX_NUM_BYTES:
        raise ShapeError(
            "array is too big; `arr.size * arr.dtype.itemsize` is larger than the maximum possible size.: the shape would"
            f" be {shape} with dtype {dtype}; expected up to {MAX_NUM_BYTES} bytes; compute it in parts"
        )


@dataclass(frozen=True, slots=True)
class VjpContext:
    """The inputs of a vector-Jacobian product: one call of an operation, and the cotangents of its results.

    xp:         the namespace to compute in: composit.numpy builds graph, numpy's (`values` of composit.numpy) computes
    cotangents: one per result, None where nothing depends on that result
    operands:   the operands of the call, tensors or arrays by the namespace
    results:    the results of the call
    needs:      per operand, whether its cotangent is wanted
    """

    xp: Any  # Any: a module or a namespace object, by which the others are tensors or arrays
    cotangents: Sequence[Any]
    operands: Sequence[Any]
    results: Sequence[Any]
    needs: Sequence[bool]


class OperationKind(Enum):
    """The kind of an operation, for code that shows or groups operations: pictures draw each kind in its own way."""

    INPUT = "input"  # a leaf with a value from outside
    SCALAR = "scalar"  # a leaf that is one number
    CREATION = "creation"  # arrays from parameters alone: zeros, arange, eye
    ELEMENTWISE = "elementwise"  # each element of the result from the elements at the same place
    MOVEMENT = "movement"  # the operands' elements at other places: views, indices, joins
    WRITE = "write"  # the first operand with some elements replaced
    REDUCTION = "reduction"  # sums, maxima and scans along axes
    CONTRACTION = "contraction"  # sums of products: matmul, einsum
    FUNCTION = "function"  # any other numpy function of whole arrays: sort, svd, fft
    USER = "user function"  # classes outside composit that state no kind


class Operation:
    """The base of all operations. A subclass is a frozen slotted dataclass whose fields are the parameters.

    `evaluate` returns one array (or scalar) when `num_results` is 1, else a tuple of them. `vjp` returns one entry per
    operand, None where no gradient flows; it computes in the namespace of its context, and never un-broadcasts: the
    sweep does.
    """

    __slots__ = ()
    num_results_of_class: ClassVar[int] = 1
    # Every class of composit states its kind.
    kind: ClassVar[OperationKind] = OperationKind.USER
    # True for an operation that runs when its node is built: the node keeps the values, so that nothing is computed twice.
    runs_at_call: ClassVar[bool] = False
    # How numpy treats memory, for writes through views and for the layout of results.
    # is_view: the result is a view of the only operand. is_read_only: nobody may write to the result.
    is_view: ClassVar[bool] = False
    is_read_only: ClassVar[bool] = False
    # The text of numpy's DeprecationWarning for writes to the result; "" without one.
    warning_of_writes: ClassVar[str] = ""
    # The result is a view only if the operand's elements lie in the right order in memory, else a copy.
    depends_on_layout: ClassVar[bool] = False
    # Another library may write to the memory of the value later.
    shares_memory: ClassVar[bool] = False
    # The result is the first operand, changed: `update_in_place` does it in the operand's own memory.
    updates_operand: ClassVar[bool] = False
    # Many nodes share one object of this operation, so caching facts about it pays.
    is_shared: ClassVar[bool] = False
    # Operands in C order give results in C order.
    keeps_c_order: ClassVar[bool] = False
    # Values of operands can make numpy raise (an index out of bounds, a singular matrix), not only types and parameters.
    # `may_raise` says whether they can in one call.
    raises_by_value: ClassVar[bool] = False
    # Why no derivative exists, as in "a position is an integer"; "" where one exists, even if `vjp` is not written yet.
    no_derivative: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """The word for people: numpy's function name, used in pictures and errors."""
        return type(self).__name__.lower()

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names by which people select it, as torch writes them: ("conv2d",). Case and underscores do not count."""
        return ()

    @property
    def num_results(self) -> int:
        return self.num_results_of_class

    @property
    def num_shown(self) -> int:
        """How many results, the first ones, a caller gets. The others are for derivatives, and computed only where one is read."""
        return self.num_results

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        """Return the types of the results; raises numpy's errors where types, shapes or parameters do not fit."""
        raise TypeError(f"{type(self).__name__}: an operation must define result_types(*operand_types)")

    def evaluate(self, *operands: Array) -> Results:
        """Return the result as numpy computes it."""
        raise TypeError(f"{type(self).__name__}: an operation must define evaluate(*operands)")

    @property
    def subgraph(self) -> Any:  # Any: a MultiDiGraph, which is not known here
        """The graph that the operation runs, as a scan has one of its step; None for most."""
        return None

    @property
    def is_commutative(self) -> bool:
        """Whether two operands may change places without changing the result."""
        return False

    @property
    def is_matrix_product(self) -> bool:
        """Whether result[..., m, n] = first[..., m, k] @ second[..., k, n], so that panels of `second` can be stored."""
        return False

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        """Return about how many elements one run computes or copies: an estimate to compare operations by.

        By default one step per element of the largest operand or result; movements count results only, since an index
        reads few elements. A view costs 0, since nothing is computed or copied. Classes with more steps per element
        (products, decompositions) override this.
        """
        if self.is_view:
            return 0
        is_movement = self.kind is OperationKind.MOVEMENT
        types = result_types if is_movement else (*operand_types, *result_types)
        return max([1, *(value_type.size for value_type in types)])

    def evaluate_for_reading(self, *operands: Array) -> Results:
        """Return the result of `evaluate` for a caller that will not write to it, perhaps with much less memory."""
        return self.evaluator()(*operands)

    def may_raise(self, operand_types: Sequence[TensorType], are_known: Sequence[bool]) -> bool:
        """Return whether values may make numpy raise; asked only of an operation that `raises_by_value`.

        are_known: which operands are given arrays, whose values the call has looked at
        """
        return True

    def error_of_status(self, status: int) -> Exception | None:
        """Return the error for a status that compiled code reports, None for the plain one: an index is out of bounds."""
        return None

    def view_of(self, array: Array) -> Array:
        """Return the result as a view of the array, also where `evaluate` gives a scalar. View operations only."""
        return self.evaluate(array)  # type: ignore[return-value]  # of one array a view operation makes one array

    def view_without_copy(self, array: Array) -> Array | None:
        """Return the result as a view, None where the layout requires a copy. Only where `depends_on_layout`."""
        raise TypeError(f"{type(self).__name__}: an operation that depends on layout must define view_without_copy")

    def then(self, following: Operation) -> Operation | None:
        """Return one view operation that does this one and then the following one; None if no operation does."""
        return None

    def settled(self) -> Operation:
        """Return the same view operation with numbers in place of tensors among its parameters, which are read now."""
        return self

    def update_in_place(self, target: Array, *operands: Any) -> Array:
        """Change the first operand in its own memory and return it. Only where `updates_operand`."""
        raise TypeError(f"{type(self).__name__}: an operation that updates its operand must define update_in_place")

    def evaluator(self) -> Callable[..., Results]:
        """Return the callable that a backend runs: `evaluate`, or numpy's own function where it means the same."""
        return self.evaluate

    def evaluator_of(self, is_read: tuple[bool, ...]) -> Callable[..., Results]:
        """Return the callable that a backend runs where only some of several results are read; others may be None."""
        return self.evaluator()

    def vjp(self, context: VjpContext) -> Sequence[Any]:  # Any: as in the context
        """Return the cotangent of each operand, None where none flows."""
        if self.no_derivative:
            return [None] * len(context.operands)
        raise MissingDerivativeError(
            f"{self.name}: its derivative was asked for and is not written yet; expected a method {type(self).__name__}.vjp(context); "
            "define it, or compute this part outside the differentiated graph"
        )

    def key(self) -> Key:
        """Return the identity of class and parameters; equal keys on equal operands are one expression."""
        return self._encoded(identity=True)

    def structure(self) -> Key:
        """Return the part of the key that compiled programs depend on: without tokens, so equal in every process."""
        return self._encoded(identity=False)

    def _encoded(self, identity: bool) -> Key:
        name, fields, structural = _fields_of(type(self))  # type: ignore[arg-type]  # a class is hashable
        return digest(name, *[encode(getattr(self, field)) for field in (fields if identity else structural)])


def serial_field() -> Key:
    """Return the dataclass field that gives each creation its own identity: part of the key, not of the structure."""
    return dataclasses.field(default_factory=fresh_token, metadata={"identity": True}, repr=False)


@lru_cache(maxsize=4096)
def _fields_of(kind: type[Operation]) -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    """Return the name of a class of operations, its fields, and the fields that are part of its structure."""
    # Subclasses are dataclasses; mypy sees the base only, which is none.
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    structural = tuple(field.name for field in fields if not field.metadata.get("identity"))
    return f"{kind.__module__}.{kind.__qualname__}".encode(), tuple(field.name for field in fields), structural


class SizedProgram(Protocol):
    """Builds a graph again for inputs of other shapes. Another package registers it with inputs."""

    def resized(self, outputs: Sequence[Any], given: Sequence[Any], shapes: Sequence[Shape]) -> tuple[Any, Any]:
        """Return the outputs (Values) and the given tensors of the graph in which the given ones have these shapes."""
        ...


class Input(Operation):
    """A leaf whose value comes from outside: a created array, a torch parameter, a placeholder. Equal only to itself."""

    __slots__ = ("__weakref__", "_array", "_token", "_type")
    # Whether other values can be given for it while no tensor points to it: then its reads are kept for ever.
    outlives_handles: ClassVar[bool] = False
    # Builds the graph again for an array of another shape. Only some subclasses can.
    sized_program: SizedProgram | None = None
    kind = OperationKind.INPUT

    def __init__(self, array: Array | PythonScalar | None, array_type: TensorType) -> None:
        self._array = array
        self._type = array_type
        self._token = fresh_token()

    @property
    def name(self) -> str:
        return "input"

    @property
    def type(self) -> TensorType:
        return self._type

    @property
    def has_value(self) -> bool:
        """Whether it is more than a placeholder."""
        return self._array is not None

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (self._type,)

    def read(self) -> Any:  # Any: an array, or the Python scalar of a weak input
        """Return the value; callers must not write to it."""
        if self._array is None:
            raise NoValueError(
                f"input: a placeholder of type {self._type} has no value of its own; "
                "give one, as in evaluate(..., inputs={placeholder: array})"
            )
        return self._array

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return 0

    def evaluate(self, *operands: Array) -> Any:  # Any: as read
        return self.read()

    def key(self) -> Key:
        return self._token

    def structure(self) -> Key:
        return digest(b"input", self._type.key())

    def __repr__(self) -> str:
        return f"Input({self._type})"

    def __reduce__(self) -> tuple[Callable[..., Input], tuple[object, ...]]:
        # A pickled input is a new input where it is loaded: tokens are never shared between processes.
        return Input, (self._array, self._type)


@dataclass(frozen=True, slots=True)
class Scalar(Operation):
    """A leaf that holds a number: a Python scalar (weak in promotion) or a numpy scalar (not weak). Equal by value."""

    value: PythonScalar | np.generic
    kind = OperationKind.SCALAR

    @property
    def name(self) -> str:
        return repr(self.value)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (scalar_type(self.value),)

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return 0

    def evaluate(
        self, *operands: Array
    ) -> Results:  # Any: the scalar as it was given, so that numpy promotes it itself
        return self.value


def scalar_type(value: PythonScalar | np.generic) -> TensorType:
    """Return the type of a scalar; int, float and complex are weak, bool and numpy's scalars are not (NEP 50)."""
    if isinstance(value, np.generic):
        return tensor_type((), value.dtype, is_scalar=True)
    if type(value) is int:
        # numpy's default integer where the value fits; larger ones become uint64 or object, as np.asarray decides.
        dtype = np.dtype(np.int64) if -(2**63) <= value < 2**63 else np.asarray(value).dtype
        return tensor_type((), dtype, is_scalar=True, weak=int)
    weak = type(value) if type(value) in (float, complex) else None
    return tensor_type((), np.dtype(type(value)), is_scalar=True, weak=weak)
