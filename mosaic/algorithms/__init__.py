"""Algorithms in the user's hand: registered ways to compute an operation, and the choice among them (docs/algorithms.md).

Importing this package registers mosaic's own.
"""

from mosaic.algorithms import attention, bfloat16, convolution, plain, products
from mosaic.algorithms.choosing import Choice, Estimate, choose
from mosaic.algorithms.from_outside import algorithm, c_algorithm
from mosaic.algorithms.occurrence import Occurrence
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import algorithms_of, operations, register, unregister

__all__ = [
    "Algorithm",
    "Case",
    "Choice",
    "Estimate",
    "Occurrence",
    "algorithm",
    "algorithms_of",
    "attention",
    "bfloat16",
    "c_algorithm",
    "choose",
    "convolution",
    "operations",
    "plain",
    "products",
    "register",
    "unregister",
]
