"""Neural networks: derivatives, operations, layers, losses, optimizers, and wrap_as_operation for a user's own operations.

`composit.nn.relu` is `composit.nn.operations.relu`; the names of layers and losses are here, too.
"""

from composit.nn import initializers as initializers
from composit.nn import layers as layers
from composit.nn import losses as losses
from composit.nn import operations as operations
from composit.nn import optimizers as optimizers
from composit.nn.checkpointing import checkpoint as checkpoint
from composit.nn.core import wrap_as_operation as wrap_as_operation
from composit.nn.differentiate import chain_rule as chain_rule
from composit.nn.evaluation import Cache as Cache
from composit.nn.evaluation import evaluate as evaluate
from composit.nn.gradient_checks import check_gradients as check_gradients
from composit.nn.gradient_flow import stop_gradient as stop_gradient
from composit.nn.layers import *
from composit.nn.losses import *
from composit.nn.operations import *
from composit.nn.optimize import optimize as optimize
from composit.nn.optimize import optimize_step as optimize_step
from composit.nn.optimizer import Optimizer as Optimizer
from composit.nn.optimizers.momentum import sgd_optimizer as sgd_optimizer
from composit.nn.saving import load as load
from composit.nn.saving import save as save
from composit.nn.training import CompiledStep as CompiledStep
from composit.nn.training import compile_step as compile_step
from composit.nn.transforms import grad as grad
from composit.nn.transforms import hessian as hessian
from composit.nn.transforms import jacobian as jacobian
from composit.nn.transforms import jvp as jvp
from composit.nn.transforms import linearize as linearize
from composit.nn.transforms import value_and_grad as value_and_grad
from composit.nn.transforms import vjp as vjp
