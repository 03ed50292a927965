"""Winograd's minimal filtering: its matrices, and the blocks of tiles that a task computes.

The statement is in `mosaic.ir.winograd`, its C in `mosaic.codegen.winograd_kernel`.
"""
