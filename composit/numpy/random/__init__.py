"""Random numbers. numpy's generators draw them at the call, so they are numpy's numbers and equal at each evaluation.

The functions here draw from numpy's global generator: np.random.seed and composit.numpy.random.seed do the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import BitGenerator, test  # type: ignore[attr-defined]  # its stub leaves the tester out
from numpy.random.mtrand import get_bit_generator, set_bit_generator

from composit.numpy.random.bit_generators import MT19937, PCG64, PCG64DXSM, SFC64, Philox, SeedSequence
from composit.numpy.random.drawing import known, with_signature_of
from composit.numpy.random.generator import Generator, default_rng
from composit.numpy.random.state import RandomState

__all__ = [
    "BitGenerator",
    "Generator",
    "MT19937",
    "PCG64",
    "PCG64DXSM",
    "Philox",
    "RandomState",
    "SFC64",
    "SeedSequence",
    "beta",
    "binomial",
    "bytes",
    "chisquare",
    "choice",
    "default_rng",
    "dirichlet",
    "exponential",
    "f",
    "gamma",
    "geometric",
    "get_bit_generator",
    "get_state",
    "gumbel",
    "hypergeometric",
    "laplace",
    "logistic",
    "lognormal",
    "logseries",
    "multinomial",
    "multivariate_normal",
    "negative_binomial",
    "noncentral_chisquare",
    "noncentral_f",
    "normal",
    "pareto",
    "permutation",
    "poisson",
    "power",
    "rand",
    "randint",
    "randn",
    "random",
    "random_integers",
    "random_sample",
    "ranf",
    "rayleigh",
    "sample",
    "seed",
    "set_bit_generator",
    "set_state",
    "shuffle",
    "standard_cauchy",
    "standard_exponential",
    "standard_gamma",
    "standard_normal",
    "standard_t",
    "test",
    "triangular",
    "uniform",
    "vonmises",
    "wald",
    "weibull",
    "zipf",
]

_global = RandomState.of(np.random.mtrand._rand)

beta = _global.beta
binomial = _global.binomial
bytes = _global.bytes
chisquare = _global.chisquare
choice = _global.choice
dirichlet = _global.dirichlet
exponential = _global.exponential
f = _global.f
gamma = _global.gamma
geometric = _global.geometric
get_state = _global.get_state
gumbel = _global.gumbel
hypergeometric = _global.hypergeometric
laplace = _global.laplace
logistic = _global.logistic
lognormal = _global.lognormal
logseries = _global.logseries
multinomial = _global.multinomial
multivariate_normal = _global.multivariate_normal
negative_binomial = _global.negative_binomial
noncentral_chisquare = _global.noncentral_chisquare
noncentral_f = _global.noncentral_f
normal = _global.normal
pareto = _global.pareto
permutation = _global.permutation
poisson = _global.poisson
power = _global.power
rand = _global.rand
randint = _global.randint
randn = _global.randn
random = _global.random
random_integers = _global.random_integers
random_sample = _global.random_sample
rayleigh = _global.rayleigh
set_state = _global.set_state
shuffle = _global.shuffle
standard_cauchy = _global.standard_cauchy
standard_exponential = _global.standard_exponential
standard_gamma = _global.standard_gamma
standard_normal = _global.standard_normal
standard_t = _global.standard_t
triangular = _global.triangular
uniform = _global.uniform
vonmises = _global.vonmises
wald = _global.wald
weibull = _global.weibull
zipf = _global.zipf


@with_signature_of(np.random.seed)
def seed(seed: Any = None) -> None:
    """Seed numpy's global generator, also after set_bit_generator. See np.random.seed."""
    np.random.seed(known("seed", seed))


@with_signature_of(np.random.ranf)
def ranf(*args: Any, **kwargs: Any) -> Any:
    """Another name of `random_sample`. See np.random.random_sample."""
    return random_sample(*args, **kwargs)


@with_signature_of(np.random.sample)
def sample(*args: Any, **kwargs: Any) -> Any:
    """Another name of `random_sample`. See np.random.random_sample."""
    return random_sample(*args, **kwargs)
