"""Options and fixtures that every test shares."""

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        default=False,
        help="write the approved texts in tests/golden anew instead of comparing with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Compile into pytest's own cache: the user's stays as it was, and a second run finds what the first compiled."""
    directory = config.rootpath / ".pytest_cache" / "compiled"
    directory.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("COMPOSIT_CACHE_DIR", str(directory))


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether this run rewrites golden files."""
    return bool(request.config.getoption("--update-golden"))
