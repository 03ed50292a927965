"""numpy's bit generators (PCG64, MT19937, ...) and SeedSequence, which take tensors as seeds.

Tensors given as seeds and states are evaluated; the states are numpy arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence, ISpawnableSeedSequence

from composit.numpy.arguments.signatures import signature_of
from composit.numpy.random.drawing import NumpysToo, drawn, known, with_signature_of

__all__ = ["MT19937", "PCG64", "PCG64DXSM", "SFC64", "Philox", "SeedSequence"]


class SeedSequence(np.random.SeedSequence, metaclass=NumpysToo):
    """np.random.SeedSequence with tensors taken as entropy. See np.random.SeedSequence."""

    __slots__ = ()
    _numpys_class = np.random.SeedSequence
    __signature__ = signature_of(np.random.SeedSequence)

    def __init__(self, entropy: Any = None, **options: Any) -> None:
        super().__init__(known("SeedSequence", entropy), **options)


@ISeedSequence.register
class _WithValues:
    """Wraps a user's seed sequence whose words may be tensors: they are evaluated before numpy gets them."""

    __slots__ = ("given",)

    def __init__(self, given: Any) -> None:
        self.given = given

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        return known("generate_state", self.given.generate_state(n_words, dtype))


def _seed_sequence(seed: Any) -> Any:
    if isinstance(seed, np.random.SeedSequence | ISpawnableSeedSequence):
        return seed
    return _WithValues(seed) if isinstance(seed, ISeedSequence) else SeedSequence(seed)


class _BitSource(np.random.BitGenerator, metaclass=NumpysToo):
    """Base of the bit generators: random_raw returns tensors, and a state to be set may hold tensors."""

    __slots__ = ()

    @with_signature_of(np.random.BitGenerator.random_raw)
    def random_raw(self, size: Any = None, output: bool = True) -> object:
        """Return the next bits as integers. See np.random.BitGenerator.random_raw."""
        return drawn(super().random_raw(*known("random_raw", size, output)))

    @property
    def seed_seq(self) -> Any:
        """The seed sequence it was made with."""
        kept = super().seed_seq
        return kept.given if isinstance(kept, _WithValues) else kept

    @property
    def state(self) -> Any:
        """The state, in numpy arrays; setting it also takes tensors."""
        return super().state

    @state.setter
    def state(self, value: Any) -> None:
        # super() cannot set a property, so take it from the numpy class that this one extends.
        type(self)._numpys_class.state.__set__(self, known("state", value))  # type: ignore[attr-defined]


class MT19937(_BitSource, np.random.MT19937):
    """The Mersenne Twister. See np.random.MT19937."""

    __slots__ = ()
    _numpys_class = np.random.MT19937
    __signature__ = signature_of(np.random.MT19937)

    def __init__(self, seed: Any = None) -> None:
        np.random.MT19937.__init__(self, _seed_sequence(seed))


class PCG64(_BitSource, np.random.PCG64):
    """A permuted congruential generator, numpy's default. See np.random.PCG64."""

    __slots__ = ()
    _numpys_class = np.random.PCG64
    __signature__ = signature_of(np.random.PCG64)

    def __init__(self, seed: Any = None) -> None:
        np.random.PCG64.__init__(self, _seed_sequence(seed))


class PCG64DXSM(_BitSource, np.random.PCG64DXSM):
    """A permuted congruential generator with a stronger output. See np.random.PCG64DXSM."""

    __slots__ = ()
    _numpys_class = np.random.PCG64DXSM
    __signature__ = signature_of(np.random.PCG64DXSM)

    def __init__(self, seed: Any = None) -> None:
        np.random.PCG64DXSM.__init__(self, _seed_sequence(seed))


class Philox(_BitSource, np.random.Philox):
    """A counter-based generator. See np.random.Philox."""

    __slots__ = ()
    _numpys_class = np.random.Philox
    __signature__ = signature_of(np.random.Philox)

    def __init__(self, seed: Any = None, counter: Any = None, key: Any = None) -> None:
        # numpy takes either a seed or a key.
        first = seed if seed is None and key is not None else _seed_sequence(seed)
        np.random.Philox.__init__(self, first, *known("Philox", counter, key))


class SFC64(_BitSource, np.random.SFC64):
    """A small fast chaotic generator. See np.random.SFC64."""

    __slots__ = ()
    _numpys_class = np.random.SFC64
    __signature__ = signature_of(np.random.SFC64)

    def __init__(self, seed: Any = None) -> None:
        np.random.SFC64.__init__(self, _seed_sequence(seed))
