"""`x.flags`: the flags of numpy's array, derived from the layout that it would have."""

from __future__ import annotations

from typing import Any

from composit.handle import TensorHandle, described, reinterpret
from composit.numpy.views.layout import flags_of
from composit.numpy.views.view_operations import ReadOnly
from composit.numpy.views.writes import base_of, is_writable, writing_to
from composit.operation import Operation
from composit.storage import view_of

_SHORT_TO_NAME = {
    "C": "c_contiguous",
    "CONTIGUOUS": "c_contiguous",
    "F": "f_contiguous",
    "FORTRAN": "f_contiguous",
    "O": "owndata",
    "W": "writeable",
    "A": "aligned",
    "X": "writebackifcopy",
    "B": "behaved",
    "CA": "carray",
    "FA": "farray",
}
_SHOWN = ("C_CONTIGUOUS", "F_CONTIGUOUS", "OWNDATA", "WRITEABLE", "ALIGNED", "WRITEBACKIFCOPY")
_NAMES = frozenset((*map(str.lower, _SHOWN), "contiguous", "behaved", "carray", "farray", "fnc", "forc"))


def set_writeable(tensor: TensorHandle, writeable: bool) -> None:
    """Make the tensor writable or read-only. Existing views stay as they are, as in numpy.

    Raises:  ValueError: it is to be made writable, but shows a read-only tensor
    """
    if writeable == is_writable(tensor):
        return
    if not writeable:
        with writing_to(tensor):
            reinterpret(tensor, ReadOnly(), tensor)
        return
    view = view_of(tensor)
    if view is None or any(step.is_read_only and not _can_be_undone(step) for step in view.steps):
        raise ValueError(
            f"cannot set WRITEABLE flag to True of this array: {described(tensor)} shows elements several times, or is a scalar;"
            " take a copy()"
        )
    view.steps = tuple(step for step in view.steps if not step.is_read_only)


def _can_be_undone(step: Operation) -> bool:
    return isinstance(step, ReadOnly) and not step.forever


class Flags:
    """The flags, by attribute and by name, as numpy.flagsobj. Only `writeable` can be changed."""

    __slots__ = ("_tensor",)
    __hash__ = None  # type: ignore[assignment]  # numpy's are not hashable either

    def __init__(self, tensor: TensorHandle) -> None:
        self._tensor = tensor

    @property
    def c_contiguous(self) -> bool:
        """Whether the elements lie in C order without gaps."""
        return bool(flags_of(self._tensor).c_contiguous)

    @property
    def f_contiguous(self) -> bool:
        """Whether the elements lie in Fortran order without gaps."""
        return bool(flags_of(self._tensor).f_contiguous)

    contiguous = c_contiguous
    fortran = f_contiguous

    @property
    def fnc(self) -> bool:
        """Whether the order is Fortran's and not also C's."""
        return self.f_contiguous and not self.c_contiguous

    @property
    def forc(self) -> bool:
        """Whether the order is Fortran's or C's."""
        return self.f_contiguous or self.c_contiguous

    @property
    def owndata(self) -> bool:
        """Whether the tensor has memory of its own, and is no view."""
        return base_of(self._tensor) is None

    @property
    def writeable(self) -> bool:
        """Whether elements can be assigned to."""
        return is_writable(self._tensor)

    @writeable.setter
    def writeable(self, value: Any) -> None:
        set_writeable(self._tensor, bool(value))

    @property
    def aligned(self) -> bool:
        """Whether the address of each element suits the machine; fields of records may be unaligned."""
        return bool(flags_of(self._tensor).aligned)

    @aligned.setter
    def aligned(self, value: Any) -> None:
        """Accept any value and ignore it."""

    @property
    def writebackifcopy(self) -> bool:
        """Always False: the flag is for C extensions."""
        return False

    @writebackifcopy.setter
    def writebackifcopy(self, value: Any) -> None:
        if value:
            raise ValueError(
                "cannot set WRITEBACKIFCOPY flag to True: it is for C extensions that write into a copy; leave it False"
            )

    @property
    def behaved(self) -> bool:
        """Whether elements are aligned and can be assigned to."""
        return self.writeable and self.aligned

    @property
    def carray(self) -> bool:
        """Whether it is `behaved` and in C order."""
        return self.behaved and self.c_contiguous

    @property
    def farray(self) -> bool:
        """Whether it is `behaved` and in Fortran order, not also C's."""
        return self.behaved and self.fnc

    @property
    def num(self) -> int:
        """The flags as numpy's bits."""
        bits = {"c_contiguous": 1, "f_contiguous": 2, "owndata": 4, "aligned": 0x100, "writeable": 0x400}
        return sum(bit for name, bit in bits.items() if getattr(self, name))

    def __getitem__(self, key: str) -> bool:
        return bool(getattr(self, _name_of(key)))

    def __setitem__(self, key: str, value: Any) -> None:
        name = _name_of(key)
        if name not in ("writeable", "aligned", "writebackifcopy"):
            raise KeyError(f"Unknown flag: {key!r} cannot be set; writeable, aligned and writebackifcopy can")
        setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return getattr(other, "num", None) == self.num

    def __repr__(self) -> str:
        return "".join(f"  {name} : {getattr(self, name.lower())}\n" for name in _SHOWN)


def _name_of(key: Any) -> str:
    name = _SHORT_TO_NAME.get(key, key.lower() if isinstance(key, str) and key.isupper() else None)
    if name is None or name not in _NAMES:
        raise KeyError(f"Unknown flag: {key!r}; numpy's names are {', '.join(_SHOWN)} and their initials")
    return name


def set_flags(tensor: TensorHandle, write: Any, align: Any, uic: Any) -> None:
    """Set the flags that are not None. See np.ndarray.setflags."""
    flags = Flags(tensor)
    if uic is not None:
        flags.writebackifcopy = uic
    if write is not None:
        flags.writeable = write
