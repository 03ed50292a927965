"""The part of mosaic that touches the world: compiler, cache, shared libraries, threads, memory, calls.

Nothing here knows about operations, graphs or loops; the passes and the code generator know nothing of files or
processes. Imports: `composit.errors` and the standard library, numpy and cffi; never the pipeline.
"""
