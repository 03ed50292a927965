"""C libraries: what `mosaic.export` writes to a folder, for programs and machines without Python.

`library.py` is the way in. `entries.py` says what a function of the library computes, the other modules write one file each.
"""
