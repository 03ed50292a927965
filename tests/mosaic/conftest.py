"""Both compilers."""

import sys

import pytest

from mosaic.runtime.compiler import Compiler


@pytest.fixture
def zig() -> Compiler:
    """The clang of the ziglang wheel, which can compile for every target."""
    return Compiler((sys.executable, "-m", "ziglang", "cc"), "zig", "zig")
