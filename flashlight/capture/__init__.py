"""How an unmodified model is captured: each torch operation that runs inside `trace` builds a node of the graph.

torch_modes        torch's modes: one sees each operation, one sees values that leave torch
recorder           one torch operation: runs it, builds its nodes, has them attached to the results
attach_results     results of an operation: new tensors, views, and tensors that were written to
traced_tensors     the lazy tensor of each torch tensor, and the memory that tensors share
views              the value of a view from its base, and of a base from a write to its view
tensor_attributes  the attributes that tie a lazy tensor to a torch tensor
read_guards        guards of values that Python reads (`.item()`, `if tensor:`)
module_scopes      modules as name scopes, names of parameters
"""
