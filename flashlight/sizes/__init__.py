"""How a graph is built again for other sizes: `trace(dynamic={tokens: {0: "batch", 1: "length"}})`.

symbols       named sizes as torch's symbolic integers, and the lines where Python's code looked at one
sized_tensor  `SizedTensor`: an ordinary tensor whose shape Python and torch see as expressions of sizes
metadata      shapes and strides as expressions
own_rules     shapes of results as expressions, for operations of which models have many
shape_rules   the same for all others, by torch's rules
tape          the operations of a trace in order, with sizes among their arguments as expressions
recording     the mode that records a trace on sized tensors
whole_operations  recurrent layers as one operation
replay        a tape run on tensors without values, of other sizes, which builds the graph again
programs      `SizedProgram`: the graphs of a tape, by sizes, as `evaluate(..., inputs=...)` asks for them
sessions      `sized` opens a trace with named sizes; the user's own tensors are sized tensors while it is open
"""
