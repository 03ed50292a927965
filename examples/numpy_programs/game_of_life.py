"""Conway's game of life, computed on views of one padded board."""

from typing import Any

import composit.numpy as np

GLIDER = [".#.", "..#", "###"]
R_PENTOMINO = [".##", "##.", ".#."]
BLINKER = ["###"]
NUM_GENERATIONS = 40


def parse(pattern: list[str]) -> Any:
    """Return a pattern of dots and hashes as an array of zeros and ones."""
    return np.array([[cell == "#" for cell in row] for row in pattern], dtype=np.uint8)


def place(board: Any, pattern: Any, row: int, column: int) -> None:
    """Write a pattern on the board."""
    height, width = pattern.shape
    board[row : row + height, column : column + width] = pattern


def wrap_border(padded: Any) -> None:
    """Copy each border row and column to the opposite margin, so that the board is a torus."""
    padded[0, :] = padded[-2, :]
    padded[-1, :] = padded[1, :]
    padded[:, 0] = padded[:, -2]
    padded[:, -1] = padded[:, 1]


def count_neighbors(padded: Any) -> Any:
    """Return for each cell inside the margin how many of its eight neighbors live."""
    total = np.zeros((padded.shape[0] - 2, padded.shape[1] - 2), dtype=np.uint8)
    for row in (0, 1, 2):
        for column in (0, 1, 2):
            if row == 1 and column == 1:
                continue
            total += padded[row : row + total.shape[0], column : column + total.shape[1]]
    return total


def step(padded: Any) -> None:
    """Advance the board by one generation, in place."""
    wrap_border(padded)
    cells = padded[1:-1, 1:-1]
    neighbors = count_neighbors(padded)
    born = (cells == 0) & (neighbors == 3)
    survives = (cells == 1) & ((neighbors == 2) | (neighbors == 3))
    cells[...] = 0
    cells[born | survives] = 1


def picture(cells: Any) -> str:
    """Return the board as lines of dots and hashes."""
    symbols = np.where(cells == 1, "#", ".")
    return "\n".join("".join(row) for row in symbols.tolist())


def main() -> dict[str, Any]:
    """Run a board with three patterns; return its populations and its last state."""
    padded = np.zeros((26, 34), dtype=np.uint8)
    board = padded[1:-1, 1:-1]
    place(board, parse(GLIDER), 1, 1)
    place(board, parse(R_PENTOMINO), 10, 16)
    place(board, parse(BLINKER), 20, 4)

    populations = np.zeros(NUM_GENERATIONS + 1, dtype=np.int64)
    populations[0] = board.sum()
    for generation in range(1, NUM_GENERATIONS + 1):
        step(padded)
        populations[generation] = board.sum()

    print(f"generation {NUM_GENERATIONS}: {populations[-1]} cells live, at most {populations.max()} did")
    print(picture(board[4:18, 6:26]))
    rows, columns = np.nonzero(board)
    center = np.array([rows.mean(), columns.mean()])
    return {"populations": populations, "board": board, "center": center, "density": board.mean(axis=0)}


if __name__ == "__main__":
    main()
