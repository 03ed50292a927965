"""One program on several backends: `evaluate(x, backend={"encoder*": "mosaic", "*": "torch"})`.

selectors      what a key of such a mapping matches: module paths, names, operations, tensors
placement      which key, and so which backend, each instruction of a program goes to
partition      the order in which backends take turns, with few turns and few tensors between them
regions        cuts the program into one program for each turn
mixed_backend  the mapping as a backend: prepares and runs the regions
explanations   the regions of a program, and each tensor that goes from one to another, as records and text
explain_evaluation   `explain`
"""

from composit.mixed.explain_evaluation import explain
from composit.mixed.explanations import Crossing, Explanation, RegionReport
from composit.mixed.mixed_backend import MixedBackend, mixed_backend

__all__ = ["Crossing", "Explanation", "MixedBackend", "RegionReport", "explain", "mixed_backend"]
