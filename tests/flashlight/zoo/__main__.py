"""`python -m tests.flashlight.zoo [-c] [words]`: tries the cases whose names hold a word, and prints what stops them by operation.

-c: compiled by mosaic as well; then the operations that numpy runs inside the compiled programs are counted
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict

from tests.flashlight.zoo.check import check, operation_in
from tests.flashlight.zoo.test_zoo import CONFIGURED, DIFFUSERS, HARD, HEADS, MODELS, TIMM


def main(words: list[str], compiled: bool) -> None:
    """Try the cases and print a table."""
    islands: Counter[str] = Counter()
    stopped: dict[tuple[str, str], list[str]] = defaultdict(list)
    cases = {**HARD, **DIFFUSERS, **CONFIGURED, **MODELS, **HEADS, **TIMM}
    names = [name for name in cases if not words or any(word in name for word in words)]
    for name in names:
        outcome = check(cases[name], compiled)
        print(f"{name:60} {'guarded' if outcome.is_guarded else outcome.stage or 'right'}", flush=True)
        islands.update(outcome.islands)
        if not outcome:
            stopped[outcome.stage, operation_in(outcome.reason)].append(name)
    for (stage, operation), found in sorted(stopped.items(), key=lambda item: -len(item[1])):
        print(f"{len(found):4} {stage}: {operation}: {' '.join(found[:8])}")
    for operation, count in islands.most_common():
        print(f"{count:6} by numpy: {operation}")


main([word for word in sys.argv[1:] if word != "-c"], "-c" in sys.argv)
