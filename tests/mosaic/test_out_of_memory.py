"""What needs more memory than there is is refused before it runs, by an error that names bytes and nodes."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

import composit
import composit.numpy as cnp
import mosaic
from composit.errors import OutOfMemoryError
from mosaic.runtime.arena import allocate_block
from mosaic.runtime.memory_limit import check_memory, machine_bytes, spell_bytes

HUGE = 1_600_000


def test_an_arena_larger_than_the_machine_is_refused_with_the_largest_nodes() -> None:
    x = cnp.ones((HUGE,), dtype="float32")
    square = cnp.exp(x[:, None] * x[None, :])
    flat = cnp.max(square[::-1].T.reshape(-1)[::2] * square.reshape(-1)[1::2])
    model = mosaic.compile(flat, inputs=[x])
    for _ in range(2):
        with pytest.raises(OutOfMemoryError) as caught:
            model(np.ones(HUGE, np.float32))
        assert isinstance(caught.value, MemoryError)
        text = str(caught.value)
        assert f"needs {spell_bytes(model.buffers.arena_bytes)}" in text
        assert f"can have {spell_bytes(machine_bytes())}" in text
        assert f"exp: float32[{HUGE}, {HUGE}], built at" in text
        assert Path(__file__).name in text
        assert "512 bytes" not in text, "what takes next to nothing is not named"


def test_an_output_larger_than_the_machine_is_refused() -> None:
    x = cnp.ones((HUGE,), dtype="float32")
    model = mosaic.compile(x[:, None] * x[None, :], inputs=[x])
    with pytest.raises(
        OutOfMemoryError, match=rf"outputs, needs 9.31 TiB .*(?s:.*)multiply: float32\[{HUGE}, {HUGE}\]"
    ):
        model(np.ones(HUGE, np.float32))
    with pytest.raises(OutOfMemoryError, match="needs 9.31 TiB"):
        composit.evaluate(x[:, None] * x[None, :] + 1, backend="mosaic")


def test_a_run_in_steps_larger_than_the_machine_is_refused() -> None:
    x = cnp.asarray(np.ones(HUGE))
    square = x[:, None] * x[None, :]
    square[cnp.asarray(np.arange(HUGE) == 0)] = 1
    model = mosaic.compile(cnp.sum(square), inputs=[x])
    with pytest.raises(OutOfMemoryError, match=r"a run, .* needs 37.3 TiB(?s:.*)for (multiply|setitem): float64"):
        model(np.ones(HUGE))


def test_what_is_known_beforehand_and_too_large_is_refused_when_it_is_compiled() -> None:
    x = cnp.asarray(np.ones(3, np.float32))
    large = cnp.asarray(np.broadcast_to(np.float32(2), (HUGE, HUGE)), copy=False)
    with pytest.raises(OutOfMemoryError, match=r"its constants, needs 9.31 TiB(?s:.*)9.31 TiB for input: float32"):
        mosaic.compile(large * x[0], inputs=[x])


def test_a_block_that_the_system_refuses_is_a_memory_error() -> None:
    with pytest.raises(
        OutOfMemoryError, match=r"needs 8e\+06 TiB|needs 8388608 TiB .*the system refused.*a machine with"
    ):
        allocate_block(1 << 63)


def test_sizes_are_spelled_in_powers_of_1024() -> None:
    assert [spell_bytes(size) for size in (0, 512, 1 << 20, 205_000_000_000)] == [
        "0 bytes",
        "512 bytes",
        "1 MiB",
        "191 GiB",
    ]


def test_what_fits_is_not_refused() -> None:
    check_memory(machine_bytes(), "a test")
    with pytest.raises(OutOfMemoryError, match=r"memory: a test needs .*; compute a part"):
        check_memory(machine_bytes() + 1, "a test")


def test_a_limit_of_the_address_space_counts() -> None:
    script = """
        import resource
        from mosaic.runtime.memory_limit import machine_bytes
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        print(machine_bytes())
    """
    finished = subprocess.run(
        [sys.executable, "-c", dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert int(finished.stdout) == 4 << 30
