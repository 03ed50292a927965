"""`capture`: a program as a function that evaluates its graph, and traces again where the graph does not hold.

structures    arguments and results taken apart: tensors, containers and objects, and what else a path depends on
templates     results, and what a call did to the containers of its arguments, put together again with other tensors
module_state  what a path depends on of the modules that the program calls
paths         one trace made into a program that runs on other tensors
captured      `Captured` and `capture`
"""
