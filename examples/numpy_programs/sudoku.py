"""Sudoku by set functions: candidates are set differences, and a search tries the cell with the fewest."""

from typing import Any

import composit.numpy as np

PUZZLE = """
53..7....
6..195...
.98....6.
8...6...3
4..8.3..1
7...2...6
.6....28.
...419..5
....8..79
"""
HARDER = """
..57...61
.7.61....
....4...5
1....8596
.9...28..
.3.......
35.8.....
...3.6.14
.........
"""
DIGITS = np.arange(1, 10)


def parse(text: str) -> Any:
    """Return the puzzle as an array of digits, 0 where a cell is open."""
    rows = [[int(cell) if cell.isdigit() else 0 for cell in line] for line in text.split()]
    return np.array(rows, dtype=np.int8)


def box(grid: Any, row: int, column: int) -> Any:
    """Return the 3 x 3 view that a cell lies in."""
    top, left = 3 * (row // 3), 3 * (column // 3)
    return grid[top : top + 3, left : left + 3]


def candidates(grid: Any, row: int, column: int) -> Any:
    """Return the digits that row, column and box leave for a cell."""
    used = np.union1d(np.union1d(grid[row], grid[:, column]), box(grid, row, column))
    return np.setdiff1d(DIGITS, used)


def fill_single_candidates(grid: Any) -> int:
    """Write every digit that is the only one possible, until there is none; return how many, -1 for a dead end."""
    count = 0
    changed = True
    while changed:
        changed = False
        for row, column in np.argwhere(grid == 0):
            possible = candidates(grid, row, column)
            if possible.size == 0:
                return -1
            if possible.size == 1:
                grid[row, column] = possible[0]
                count += 1
                changed = True
    return count


def solve(grid: Any) -> Any:
    """Return the solved grid, None where there is no solution; the grid that is given stays as it is."""
    grid = grid.copy()
    if fill_single_candidates(grid) < 0:
        return None
    open_cells = np.argwhere(grid == 0)
    if len(open_cells) == 0:
        return grid
    sizes = [candidates(grid, row, column).size for row, column in open_cells]
    row, column = open_cells[np.argmin(sizes)]
    for digit in candidates(grid, row, column):
        grid[row, column] = digit
        solution = solve(grid)
        if solution is not None:
            return solution
    return None


def is_solved(grid: Any) -> bool:
    """Return whether each row, column and box has every digit once."""
    boxes = grid.reshape(3, 3, 3, 3).swapaxes(1, 2).reshape(9, 9)
    groups = np.concatenate([grid, grid.T, boxes])
    return all(np.array_equal(np.unique(group), DIGITS) for group in groups)


def main() -> dict[str, Any]:
    """Solve two puzzles and show the first."""
    results = {}
    for name, text in (("easy", PUZZLE), ("harder", HARDER)):
        puzzle = parse(text)
        solution = solve(puzzle)
        given = np.isin(puzzle, DIGITS)
        print(f"{name}: {given.sum()} digits were given, solved: {is_solved(solution)}")
        print(solution)
        results[name] = solution
        results[name + " kept"] = np.array_equal(solution[given], puzzle[given])
        results[name + " counts"] = np.unique(puzzle, return_counts=True)[1]
    return results


if __name__ == "__main__":
    main()
