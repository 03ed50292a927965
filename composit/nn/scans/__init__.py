"""A loop over time as one operation: its step as a program, running it, and its derivative. `nn.scan` is in operations/scanning.py."""
