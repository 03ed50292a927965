"""RandomState with tensors as results; the functions of composit.numpy.random are its methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import _pickle as pickles_of_numpy

from composit.numpy.arguments.signatures import signature_of
from composit.numpy.random.drawing import NumpysToo, choosing, drawing, known, permuting, shuffling, with_signature_of

__all__ = ["RandomState"]


class RandomState(np.random.RandomState, metaclass=NumpysToo):
    """np.random.RandomState with tensors as results; numbers are drawn at the call. See np.random.RandomState.

    Example:
        >>> import composit.numpy as cnp
        >>> cnp.random.RandomState(0).randint(0, 10, size=3).tolist()
        [5, 0, 3]
    """

    # See Generator. numpy's object also keeps the second number of a pair that standard_normal has drawn.
    __slots__ = ("_numpys",)
    _numpys_class = np.random.RandomState
    __signature__ = signature_of(np.random.RandomState)

    def __init__(self, seed: Any = None) -> None:
        self._around(np.random.RandomState(known("RandomState", seed)))

    @classmethod
    def of(cls, generator: np.random.RandomState) -> RandomState:
        """Return a RandomState that draws from this numpy RandomState."""
        made = cls.__new__(cls)
        made._around(generator)
        return made

    def _around(self, generator: np.random.RandomState) -> None:
        super().__init__(generator._bit_generator)
        self._numpys = generator

    @property
    def _bit_generator(self) -> object:  # type: ignore[override]  # numpy's has a setter, which only numpy calls
        return self._numpys._bit_generator

    def __reduce__(self) -> tuple[Callable[..., RandomState], tuple[Any, ...], Any]:
        return restored, (self._bit_generator,), self.get_state(legacy=False)

    def __getstate__(self) -> Any:
        return self.get_state(legacy=False)

    def __setstate__(self, state: Any) -> None:
        self.set_state(state)

    @with_signature_of(np.random.RandomState.get_state)
    def get_state(self, legacy: bool = True) -> Any:
        """Return the state, in numpy arrays. See np.random.RandomState.get_state."""
        numpys: Any = self._numpys  # numpy declares an overload for each value of `legacy`
        return numpys.get_state(legacy)

    @with_signature_of(np.random.RandomState.set_state)
    def set_state(self, state: Any) -> None:
        """Set the state to one that `get_state` returned. See np.random.RandomState.set_state."""
        self._numpys.set_state(known("set_state", state))

    @with_signature_of(np.random.RandomState.seed)
    def seed(self, seed: Any = None) -> None:
        """Set the state from a seed. See np.random.RandomState.seed."""
        self._numpys.seed(known("seed", seed))

    beta = drawing(np.random.RandomState.beta)
    binomial = drawing(np.random.RandomState.binomial)
    bytes = drawing(np.random.RandomState.bytes)
    chisquare = drawing(np.random.RandomState.chisquare)
    choice = choosing(np.random.RandomState.choice)
    dirichlet = drawing(np.random.RandomState.dirichlet)
    exponential = drawing(np.random.RandomState.exponential)
    f = drawing(np.random.RandomState.f)
    gamma = drawing(np.random.RandomState.gamma)
    geometric = drawing(np.random.RandomState.geometric)
    gumbel = drawing(np.random.RandomState.gumbel)
    hypergeometric = drawing(np.random.RandomState.hypergeometric)
    laplace = drawing(np.random.RandomState.laplace)
    logistic = drawing(np.random.RandomState.logistic)
    lognormal = drawing(np.random.RandomState.lognormal)
    logseries = drawing(np.random.RandomState.logseries)
    multinomial = drawing(np.random.RandomState.multinomial)
    multivariate_normal = drawing(np.random.RandomState.multivariate_normal)
    negative_binomial = drawing(np.random.RandomState.negative_binomial)
    noncentral_chisquare = drawing(np.random.RandomState.noncentral_chisquare)
    noncentral_f = drawing(np.random.RandomState.noncentral_f)
    normal = drawing(np.random.RandomState.normal)
    pareto = drawing(np.random.RandomState.pareto)
    permutation = permuting(np.random.RandomState.permutation)
    poisson = drawing(np.random.RandomState.poisson)
    power = drawing(np.random.RandomState.power)
    rand = drawing(np.random.RandomState.rand)
    randint = drawing(np.random.RandomState.randint)
    randn = drawing(np.random.RandomState.randn)
    random = drawing(np.random.RandomState.random)
    random_integers = drawing(np.random.RandomState.random_integers)
    random_sample = drawing(np.random.RandomState.random_sample)
    rayleigh = drawing(np.random.RandomState.rayleigh)
    shuffle = shuffling(np.random.RandomState.shuffle)
    standard_cauchy = drawing(np.random.RandomState.standard_cauchy)
    standard_exponential = drawing(np.random.RandomState.standard_exponential)
    standard_gamma = drawing(np.random.RandomState.standard_gamma)
    standard_normal = drawing(np.random.RandomState.standard_normal)
    standard_t = drawing(np.random.RandomState.standard_t)
    tomaxint = drawing(np.random.RandomState.tomaxint)
    triangular = drawing(np.random.RandomState.triangular)
    uniform = drawing(np.random.RandomState.uniform)
    vonmises = drawing(np.random.RandomState.vonmises)
    wald = drawing(np.random.RandomState.wald)
    weibull = drawing(np.random.RandomState.weibull)
    zipf = drawing(np.random.RandomState.zipf)


def restored(bit_generator: Any) -> RandomState:
    """Return the generator of a pickle, in which the bit generator is stored by name or as an object."""
    return RandomState.of(pickles_of_numpy.__randomstate_ctor(bit_generator))
