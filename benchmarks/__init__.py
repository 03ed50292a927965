"""Peers side by side, measured interleaved: `python -m benchmarks`. Never part of the default tests."""
