"""Operations of neural networks: functions of lazy tensors with derivatives of every order, and C."""

from composit.nn.operations.activations import *
from composit.nn.operations.adaptive_pooling import *
from composit.nn.operations.choosing import *
from composit.nn.operations.convolution import *
from composit.nn.operations.embeddings import *
from composit.nn.operations.exponentials import *
from composit.nn.operations.grid_sampling import *
from composit.nn.operations.interpolation import *
from composit.nn.operations.pooling import *
from composit.nn.operations.products import *
from composit.nn.operations.random_choices import *
from composit.nn.operations.scanning import *
from composit.nn.operations.similarity import *
from composit.nn.operations.unfolding import *
