"""`capture`: a program as a function that evaluates its graph, and traces again where the graph does not hold.

structures    arguments and results taken apart: tensors, containers and objects, and what else a path depends on
templates     results, and what a call did to the containers of its arguments, put together again with other tensors
module_state  what a path depends on of the modules that the program calls
named_sizes   which arguments have named sizes
paths         a program that gives what a function gave, for other tensors
recordings    a trace made into such a program, and made again for other sizes
captured      `Captured` and `capture`
"""
