"""How an unmodified model is captured: each torch operation that runs inside `trace` builds a node of the graph.

torch_modes        torch's mode that sees each operation, and values that leave torch behind its back
patches            methods that are replaced while a trace is open
active             the recorder of each thread, and threads that a traced program starts
other_threads      tensors of threads that a trace did not start
trace_record       what the threads of one trace share
recorder           one torch operation: runs it, builds its nodes, has them attached to the results
row_errors         errors that name the operation, the module and the user's line
attach_results     results of an operation: new tensors, views, and tensors that were written to
traced_tensors     the lazy tensor of each torch tensor
memory             the tensors that share memory: how a write to one reaches the others
layouts            where elements lie in memory, and which of them two tensors share
views              the value of a view from its base, and of a base from a view under another dtype
scatter            the value of a tensor after some of its elements were written
tensor_attributes  the attributes that tie a lazy tensor to a torch tensor
read_guards        guards of values that Python reads (`.item()`, `if tensor:`)
storages           reads and writes through storages and addresses (`tensor.data_ptr()`)
handed_out         guards of elements that leave as the bytes of a storage
shown_texts        which texts of tensors are only shown (`print(tensor)`)
module_scopes      modules as name scopes, names of parameters and of inputs
"""
