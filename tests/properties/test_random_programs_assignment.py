"""Random programs of views, assignments and in-place operators mean in composit what they mean in numpy."""

import random

import pytest

from tests.prepared import by_programs
from tests.properties.assignment_programs import Writer
from tests.properties.side_by_side import LOOKS, difference, report
from tests.sampling import one_in

SEEDS_PER_TEST = 25
# Each seed is one program; the default run takes seconds, the slow one goes on where it ends.
DEFAULT = range(0, 400, SEEDS_PER_TEST)
SLOW = range(400, 8000, SEEDS_PER_TEST)


# numpy's `at` raises a second time while it frees what it wrote to, where nobody can catch it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def _assert_programs_agree(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + SEEDS_PER_TEST):
        source = random.Random(seed)
        program = Writer(source).write(source.randint(4, 20))
        look = LOOKS[seed % len(LOOKS)]
        if difference(program, look) is not None:
            pytest.fail(f"seed {seed}, {report(program, look)}")


@pytest.mark.parametrize("first_seed", one_in(2, DEFAULT))
def test_programs_of_views_and_writes_give_numpys_values(first_seed: int) -> None:
    _assert_programs_agree(first_seed)


def test_programs_of_views_and_writes_mean_the_same_by_prepared_programs() -> None:
    with by_programs():
        _assert_programs_agree(0)


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", SLOW)
def test_thousands_of_programs_give_numpys_values(first_seed: int) -> None:
    _assert_programs_agree(first_seed)
