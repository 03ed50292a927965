"""Pictures of graphs, in steps: read (reading.py), fold (folding.py), close scopes (closing.py), write dot, draw.

`composit.visualize` calls them, and imports this package only when a picture is asked for.
"""
