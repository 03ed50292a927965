"""The name under which people know an operation: "conv2d" for a convolution over two axes.

Names are those of torch's functions (torch.nn.functional), without regard to case and underscores, so that nn.Conv2d's name and
"maxpool2d" mean the same.
"""

from __future__ import annotations

from functools import singledispatch

from composit.nn.operations.convolution import Convolution, FilterGradient, TransposedConvolution
from composit.nn.operations.logistic import Relu
from composit.nn.operations.pooling_windows import WindowMaximum, WindowSum
from composit.numpy.manipulation.reshaping import Reshape
from composit.numpy.products.matrix_products import Matmul
from composit.operation import Operation

_ALIASES = {
    "linear": "matmul",
    "flatten": "reshape",
    **{f"adaptive{kind}pool{rank}d": f"{kind}pool{rank}d" for kind in ("avg", "max") for rank in (1, 2, 3)},
}


@singledispatch
def family_of(operation: Operation) -> str:
    """Return the name of the operations that share algorithms with this one; "" if there is nothing to choose."""
    return ""


@family_of.register
def _(operation: Convolution) -> str:
    return f"conv{len(operation.strides)}d"


@family_of.register
def _(operation: TransposedConvolution) -> str:
    return f"conv_transpose{len(operation.strides)}d"


@family_of.register
def _(operation: FilterGradient) -> str:
    return f"conv{len(operation.strides)}d_weight"


@family_of.register
def _(operation: Matmul) -> str:
    return "matmul"


@family_of.register
def _(operation: WindowMaximum) -> str:
    return f"max_pool{len(operation.kernel)}d"


@family_of.register
def _(operation: WindowSum) -> str:
    return f"avg_pool{len(operation.kernel)}d"


@family_of.register
def _(operation: Relu) -> str:
    return "relu"


@family_of.register
def _(operation: Reshape) -> str:
    return "reshape"


def plain(name: str) -> str:
    """Return a family's name as it is compared: without underscores, in lower case, aliases resolved."""
    bare = name.replace("_", "").replace("-", "").lower()
    return _ALIASES.get(bare, bare)
