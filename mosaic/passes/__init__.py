"""Passes: program -> program. `pipeline` lists them in order."""
