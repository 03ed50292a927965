"""Options and fixtures that every test shares."""

import gc
import os
from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        default=False,
        help="write the approved texts in tests/golden anew instead of comparing with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set what holds for all tests, before any imports numpy.

    Compiled programs go to pytest's own cache: the user's stays as it was, and a second run finds what the first compiled.
    """
    directory = config.rootpath / ".pytest_cache" / "compiled"
    directory.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("COMPOSIT_CACHE_DIR", str(directory))
    if "PYTEST_XDIST_WORKER" in os.environ:
        # With a worker on each core, threads of torch and numpy would wait for each other, at full speed.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep what is collected, and the imported libraries, out of every later garbage collection.

    They are millions of objects that stay until the end: each of the many tests that collect garbage, to see that
    something is freed, would visit them all.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether this run rewrites golden files."""
    return bool(request.config.getoption("--update-golden"))
