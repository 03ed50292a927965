"""Python functions of numbers, with branches, loops and calls, as operations: on arrays, in C, and differentiated.

    @register
    def relu3(x: float) -> float:
        if x < 0.0:
            return 0.0
        elif x < 1.0:
            return x**3 / 3.0
        return x - 2.0 / 3.0

`register`, `elementwise` and `vmap` make a `Kernel` of a function (docs/kernels.md).
"""

from composit.kernels.kernel import Kernel as Kernel
from composit.kernels.registering import elementwise as elementwise
from composit.kernels.registering import register as register
from composit.kernels.registering import vmap as vmap

__all__ = ["Kernel", "elementwise", "register", "vmap"]
