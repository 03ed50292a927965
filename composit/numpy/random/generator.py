"""Generator and default_rng: numpy's, with tensors as results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import _pickle as pickles_of_numpy

from composit.numpy.arguments.signatures import signature_of
from composit.numpy.random.bit_generators import PCG64
from composit.numpy.random.drawing import (
    NumpysToo,
    choosing,
    drawing,
    drawing_into,
    known,
    permuting,
    shuffling,
    with_signature_of,
)
from composit.numpy.random.recorded_draws import note_bit_generator

__all__ = ["Generator", "default_rng"]


class Generator(np.random.Generator, metaclass=NumpysToo):
    """np.random.Generator with tensors as results; numbers are drawn at the call. See np.random.Generator.

    Example:
        >>> import composit.numpy as cnp
        >>> cnp.random.default_rng(0).normal(size=(2, 3)).shape
        (2, 3)
    """

    # numpy's methods call each other, so they must run on a numpy generator. It shares its bit generator with this one.
    __slots__ = ("_numpys",)
    _numpys_class = np.random.Generator
    __signature__ = signature_of(np.random.Generator)

    def __init__(self, bit_generator: Any) -> None:
        super().__init__(bit_generator)
        self._numpys = np.random.Generator(bit_generator)

    def __reduce__(self) -> tuple[Callable[..., Generator], tuple[Any, ...], None]:
        return restored, (self.bit_generator,), None

    @with_signature_of(np.random.Generator.spawn)
    def spawn(self, n_children: int) -> list[Generator]:
        """Return independent generators. See np.random.Generator.spawn."""
        return [type(self)(child) for child in self.bit_generator.spawn(known("spawn", n_children))]

    beta = drawing(np.random.Generator.beta)
    binomial = drawing(np.random.Generator.binomial)
    bytes = drawing(np.random.Generator.bytes)
    chisquare = drawing(np.random.Generator.chisquare)
    choice = choosing(np.random.Generator.choice)
    dirichlet = drawing(np.random.Generator.dirichlet)
    exponential = drawing(np.random.Generator.exponential)
    f = drawing(np.random.Generator.f)
    gamma = drawing(np.random.Generator.gamma)
    geometric = drawing(np.random.Generator.geometric)
    gumbel = drawing(np.random.Generator.gumbel)
    hypergeometric = drawing(np.random.Generator.hypergeometric)
    integers = drawing(np.random.Generator.integers)
    laplace = drawing(np.random.Generator.laplace)
    logistic = drawing(np.random.Generator.logistic)
    lognormal = drawing(np.random.Generator.lognormal)
    logseries = drawing(np.random.Generator.logseries)
    multinomial = drawing(np.random.Generator.multinomial)
    multivariate_hypergeometric = drawing(np.random.Generator.multivariate_hypergeometric)
    multivariate_normal = drawing(np.random.Generator.multivariate_normal)
    negative_binomial = drawing(np.random.Generator.negative_binomial)
    noncentral_chisquare = drawing(np.random.Generator.noncentral_chisquare)
    noncentral_f = drawing(np.random.Generator.noncentral_f)
    normal = drawing(np.random.Generator.normal)
    pareto = drawing(np.random.Generator.pareto)
    permutation = permuting(np.random.Generator.permutation)
    permuted = drawing_into(np.random.Generator.permuted)
    poisson = drawing(np.random.Generator.poisson)
    power = drawing(np.random.Generator.power)
    random = drawing_into(np.random.Generator.random)
    rayleigh = drawing(np.random.Generator.rayleigh)
    shuffle = shuffling(np.random.Generator.shuffle)
    standard_cauchy = drawing(np.random.Generator.standard_cauchy)
    standard_exponential = drawing_into(np.random.Generator.standard_exponential)
    standard_gamma = drawing_into(np.random.Generator.standard_gamma)
    standard_normal = drawing_into(np.random.Generator.standard_normal)
    standard_t = drawing(np.random.Generator.standard_t)
    triangular = drawing(np.random.Generator.triangular)
    uniform = drawing(np.random.Generator.uniform)
    vonmises = drawing(np.random.Generator.vonmises)
    wald = drawing(np.random.Generator.wald)
    weibull = drawing(np.random.Generator.weibull)
    zipf = drawing(np.random.Generator.zipf)


def restored(bit_generator: Any) -> Generator:
    """Return the generator of a pickle, in which the bit generator is stored by name or as an object."""
    return Generator(pickles_of_numpy.__generator_ctor(bit_generator).bit_generator)


@with_signature_of(np.random.default_rng)
def default_rng(seed: Any = None) -> Generator:
    """Return a generator of numpy's default kind. See np.random.default_rng."""
    if type(seed) is np.random.Generator:
        return Generator(seed.bit_generator)
    if isinstance(seed, Generator):
        return seed
    if isinstance(seed, np.random.RandomState):
        return Generator(seed._bit_generator)
    if hasattr(seed, "capsule"):
        return Generator(seed)
    made = PCG64(seed)
    note_bit_generator(made)
    return Generator(made)
