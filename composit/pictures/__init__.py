"""What a picture of a graph consists of, made step by step: read, fold, close, trim, written as dot, rendered.

Nothing here is imported before a picture is asked for. `composit.visualize` is the way in.
"""
