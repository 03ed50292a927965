"""`LazyTensor` and the classes of its parts: operators, methods, attributes, protocols, reads, scalars, pickling."""
