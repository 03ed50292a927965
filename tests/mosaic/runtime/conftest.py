"""A cache of its own for each test that looks at one, and a way to compile small programs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from composit.operation import TensorType, tensor_type
from mosaic.runtime.cache import Cache, open_caches
from mosaic.runtime.compilation import compile_library
from mosaic.runtime.execute import PreparedFunction, Signature, prepare_function
from mosaic.runtime.library import load_library
from mosaic.targets import Target, detect
from tests.mosaic.runtime.programs import ADD_SOURCE

FLOAT4 = tensor_type((4,), "float32")


@pytest.fixture(scope="session")
def shared_cache_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for tests that want a compiled program and do not look at the cache."""
    return tmp_path_factory.mktemp("cache") / "composit"


@pytest.fixture(autouse=True)
def _use_shared_cache(shared_cache_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSIT_CACHE_DIR", str(shared_cache_directory))
    monkeypatch.delenv("CC", raising=False)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache that only this test uses."""
    monkeypatch.setenv("COMPOSIT_CACHE_DIR", str(tmp_path / "own-cache"))
    (opened,) = open_caches()
    return opened


@pytest.fixture
def target() -> Target:
    return detect()


@pytest.fixture
def prepare(target: Target) -> Callable[..., PreparedFunction]:
    """Compile, load and bind a C text."""

    def prepared(
        source: str = ADD_SOURCE,
        inputs: tuple[TensorType, ...] = (FLOAT4, FLOAT4),
        outputs: tuple[TensorType, ...] = (FLOAT4,),
        num_threads: int = 1,
        arena_bytes: int = 0,
        constants: np.ndarray | None = None,
    ) -> PreparedFunction:
        library = load_library(compile_library(source, target=target))
        signature = Signature(inputs, outputs, arena_bytes, ("left", "right"))
        return prepare_function(library, signature, constants, num_threads)

    return prepared
