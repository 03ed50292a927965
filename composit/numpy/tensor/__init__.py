"""LazyTensor: its operators, methods, attributes and protocols, scalars, pickles."""
