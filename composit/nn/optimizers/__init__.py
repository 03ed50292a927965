"""Optimizers as pure functions with explicit state, schedules of the learning rate, clipping, and groups of parameters.

`optimizer.init(parameters)` gives the state, `optimizer.update(parameters, gradients, state)` new parameters and state, both lazy;
`composit.nn.optimize_step` evaluates them. The rules are torch's (torch.optim), step for step, lion's and lamb's their authors'.
"""

from composit.nn.optimizers.adam_family import adam as adam
from composit.nn.optimizers.adam_family import adamax as adamax
from composit.nn.optimizers.adam_family import adamw as adamw
from composit.nn.optimizers.adam_family import amsgrad as amsgrad
from composit.nn.optimizers.adam_family import lamb as lamb
from composit.nn.optimizers.adam_family import lion as lion
from composit.nn.optimizers.adam_family import nadam as nadam
from composit.nn.optimizers.adam_family import radam as radam
from composit.nn.optimizers.adaptive import adadelta as adadelta
from composit.nn.optimizers.adaptive import adagrad as adagrad
from composit.nn.optimizers.adaptive import rmsprop as rmsprop
from composit.nn.optimizers.clipping import clip_by_global_norm as clip_by_global_norm
from composit.nn.optimizers.clipping import clip_by_value as clip_by_value
from composit.nn.optimizers.clipping import clipped as clipped
from composit.nn.optimizers.groups import ParameterGroup as ParameterGroup
from composit.nn.optimizers.groups import grouped as grouped
from composit.nn.optimizers.lbfgs import Minimum as Minimum
from composit.nn.optimizers.lbfgs import lbfgs as lbfgs
from composit.nn.optimizers.momentum import sgd as sgd
from composit.nn.optimizers.schedules import constant as constant
from composit.nn.optimizers.schedules import cosine as cosine
from composit.nn.optimizers.schedules import exponential as exponential
from composit.nn.optimizers.schedules import multi_step as multi_step
from composit.nn.optimizers.schedules import one_cycle as one_cycle
from composit.nn.optimizers.schedules import polynomial as polynomial
from composit.nn.optimizers.schedules import step as step
from composit.nn.optimizers.schedules import warm_up as warm_up
