"""Neural networks: derivatives (chain_rule), operations, layers, losses, optimizers, and wrap_as_operation for a user's own.

`composit.nn.relu` is `composit.nn.operations.relu`; the names of layers and losses are here, too.
"""

from composit.nn import layers as layers
from composit.nn import operations as operations
from composit.nn.core import wrap_as_operation as wrap_as_operation
from composit.nn.differentiate import chain_rule as chain_rule
from composit.nn.evaluation import evaluate as evaluate
from composit.nn.operations import *
from composit.nn.optimize import optimize as optimize
from composit.nn.optimize import optimize_step as optimize_step
from composit.nn.optimizer import Optimizer as Optimizer
from composit.nn.optimizer import sgd_optimizer as sgd_optimizer
