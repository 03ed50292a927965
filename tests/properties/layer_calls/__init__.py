"""Random calls of composit.nn beside the same calls of torch, and programs of several such calls."""
