"""How a group runs: tasks, blocks, lanes. Set by the pass `schedule`; emitters print it and decide nothing."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.matmul.blocking import Blocking


@dataclass(frozen=True, slots=True)
class PhaseSchedule:
    """How one loop along a row runs.

    block: elements after which sums are added to totals, so that rounding errors do not grow with the row; 0: no blocks
    turns: accumulators used in turn, so that no addition waits for the one before
    wide:  vectors that go through inner loops together
    """

    block: int = 0
    turns: int = 1
    wide: int = 1


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a group runs.

    vector_bytes: size of its vectors
    lanes:        elements of a vector
    num_tasks:    parts that threads share
    per_task:     rows in a task; where `is_flat`, elements of the only row; of products, pairs of matrices (1: a pair may be
                  shared among tasks)
    on_lines:     where `is_flat`, tasks begin and vectors lie where cache lines of the result begin, wherever it lies; the
                  last task takes the rest
    rows_at_once: rows that a reduction takes together, because they share an operand
    phases:       one for each loop along the row
    side:         where two axes change places, of the square tiles that registers hold; a task is so many bands of `side` rows
    unrolled:     turns of the kernel's loop that the compiler writes out
    joined:       where `on_lines`, vectors whose results are stored together
    past_caches:  stages, by number, whose whole vectors are stored past the caches, because nobody reads them soon
    bytes_ahead:  loads in order fetch what lies so many bytes behind them, because it is not in the caches; 0: they do not
    checks_first: indices that all rows share are checked once in a task, before its rows
    block_rows:   rows of two products that stay in the cache between them
    blockings:    of each product, in order
    panels:       of a Winograd convolution, whose task has `per_task` tiles: panels of outputs of a task
    """

    vector_bytes: int
    lanes: int
    num_tasks: int
    per_task: int = 1
    is_flat: bool = False
    on_lines: bool = False
    phases: tuple[PhaseSchedule, ...] = ()
    side: int = 0
    unrolled: int = 1
    joined: int = 1
    rows_at_once: int = 1
    past_caches: tuple[int, ...] = ()
    bytes_ahead: int = 0
    checks_first: bool = False
    block_rows: int = 0
    blockings: tuple[Blocking, ...] = ()
    panels: int = 0

    def __str__(self) -> str:
        shared = f" in {self.num_tasks} tasks of {self.per_task}" if self.num_tasks > 1 else ""
        special = [phase for phase in self.phases if phase != PhaseSchedule()]
        wide = "".join(f", {_words(phase)}" for phase in special)
        blocks = "".join(f", tiles of {one.mr} x {one.nr} x {one.depth_block}" for one in self.blockings)
        lines = " on cache lines" if self.on_lines else ""
        joined = f", {self.joined} vectors a store" if self.joined > 1 else ""
        first = ", indices checked first" if self.checks_first else ""
        rows = f", {self.rows_at_once} rows at once" if self.rows_at_once > 1 else ""
        ahead = f", reading {self.bytes_ahead} bytes ahead" if self.bytes_ahead else ""
        past = ", storing past the caches" if self.past_caches else ""
        if self.side:
            return f"{shared} by squares of {self.side}"
        return f"{shared}{lines}{rows}{first} by {self.lanes} lanes{joined}{wide}{blocks}{ahead}{past}"


def _words(phase: PhaseSchedule) -> str:
    words = [
        f"blocks of {phase.block}" if phase.block else "",
        f"{phase.turns} in turn" if phase.turns > 1 else "",
        f"{phase.wide} at once" if phase.wide > 1 else "",
    ]
    return " with ".join(filter(None, words))
