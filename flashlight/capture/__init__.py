"""How an unmodified model is captured: each torch operation that runs inside `trace` builds a node of the graph.

recorder           one call of a torch operation: run it, build its nodes, attach them to the results
attach_results     results of a call: new tensors, views, and tensors that were written to
traced_tensors     the lazy tensor of each torch tensor, and the memory that tensors share
views              the value of a view from its base, and of a base from a write to its view
tensor_attributes  the attributes that tie a lazy tensor to a torch tensor
read_guards        values that Python reads (`.item()`, `if tensor:`) become guards
module_scopes      modules as name scopes, names of parameters
"""
