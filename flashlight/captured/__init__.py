"""`capture`: a program as a function that evaluates its graph, and traces again where the graph does not hold.

structures    arguments and results taken apart: tensors, containers and objects, and what else a path depends on
templates     results, and what a call did to the containers of its arguments, put together again with other tensors
cells         places of Python's state as they were, compared with what they are
mentioned     the names in the code of a function
reachable     the state that a function may read: attributes of objects, variables, class attributes
python_state  all that a path depends on besides its arguments
named_sizes   which arguments have named sizes
paths         a program that gives what a function gave, for other tensors
recordings    a trace made into such a program, and made again for other sizes
captured      `Captured` and `capture`
"""
