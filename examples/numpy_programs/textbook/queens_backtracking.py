"""Queens that do not attack each other, by backtracking on arrays of free columns and diagonals."""

from typing import Any

SIZE = 7
SMALL_SIZE = 5


def run(np: Any, size: int) -> dict[str, Any]:
    """Return every solution as a row of columns, and how many squares were tried."""
    columns = np.zeros(size, dtype=bool)
    rising, falling = np.zeros(2 * size, dtype=bool), np.zeros(2 * size, dtype=bool)
    queens = np.zeros(size, dtype=np.int64)
    solutions = []
    tried = np.zeros(size, dtype=np.int64)

    def place(row: int) -> None:
        if row == size:
            solutions.append(queens.copy())
            return
        for column in range(size):
            tried[row] += 1
            if columns[column] or rising[row + column] or falling[row - column + size]:
                continue
            queens[row] = column
            columns[column] = rising[row + column] = falling[row - column + size] = True
            place(row + 1)
            columns[column] = rising[row + column] = falling[row - column + size] = False

    place(0)
    return {"solutions": np.array(solutions), "tried": tried}
