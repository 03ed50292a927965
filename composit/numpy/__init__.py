"""Lazy numpy: numpy's names, arguments, dtypes and errors on tensors."""

from composit.numpy.averages import *
from composit.numpy.elementwise import astype as astype
from composit.numpy.elementwise_composites import *
from composit.numpy.elementwise_table import *
from composit.numpy.reductions import *
