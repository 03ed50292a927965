"""What a user is told where torch is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

_WITHOUT_TORCH = "import sys; sys.modules['torch'] = None\n"


@pytest.mark.parametrize(
    "program",
    [
        "import flashlight",
        "import composit as cnp\ncnp.evaluate(cnp.ones(3) + 1, backend='torch')",
    ],
)
def test_without_torch_the_error_says_what_to_install(program: str) -> None:
    script = f"""{_WITHOUT_TORCH}
try:
{"".join(f"    {line}{chr(10)}" for line in program.splitlines())}
except ImportError as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("MissingLibraryError flashlight: torch was asked for")
    assert "pip install composit[torch]" in run.stdout


def test_numpy_and_mosaic_need_no_torch() -> None:
    script = f"{_WITHOUT_TORCH}import composit as cnp, mosaic\nprint(cnp.evaluate(cnp.ones(2) + 1))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[2. 2.]"
