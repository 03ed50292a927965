"""Loading libraries: what is refused, where code may be executed, and that nothing stays loaded for nobody."""

import gc
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import CodeStorageError, CompileError
from composit.evaluation import clear_prepared_programs
from composit.operation import tensor_type
from mosaic.runtime import library as library_module
from mosaic.runtime.cache import Cache
from mosaic.runtime.compilation import compile_and_load, compile_library
from mosaic.runtime.execute import PreparedFunction
from mosaic.runtime.library import load_library
from mosaic.runtime.threads import runtime_library
from mosaic.targets import Target
from tests.mosaic.runtime.programs import ADD_SOURCE, PATIENCE_S, run_source, start_python

WITHOUT_RUN = ADD_SOURCE.replace("mosaic_run", "another_name")


def loaded_libraries() -> set[str]:
    """The files of ours that are mapped into this process, memory included."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.split(maxsplit=5)[-1] for line in lines if "library.so" in line}


@pytest.fixture
def own_library(cache: Cache, target: Target) -> Path:
    """A library that no other test loads."""
    return compile_library(ADD_SOURCE, target=target)


def test_a_library_is_unloaded_with_its_last_user(own_library: Path) -> None:
    first, second = load_library(own_library), load_library(own_library)
    assert str(own_library) in loaded_libraries()
    del first
    assert str(own_library) in loaded_libraries()
    del second
    assert str(own_library) not in loaded_libraries()


def test_a_library_is_mapped_once_however_often_it_is_loaded(own_library: Path) -> None:
    first = load_library(own_library)
    num_lines = len(Path("/proc/self/maps").read_text().splitlines())
    others = [load_library(own_library) for _ in range(20)]
    assert all(other.handle is first.handle for other in others)
    assert len(Path("/proc/self/maps").read_text().splitlines()) <= num_lines + 2  # the heap may grow


def test_dead_models_leave_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSIT_CACHE_DIR", str(tmp_path / "cache"))
    x = cnp.ones((8,), dtype="float32")
    mosaic.compile(x + 0.5, inputs=[x])
    gc.collect()  # what other tests left
    before = loaded_libraries()
    alive = mosaic.compile(x * 2.5, inputs=[x])
    for number in range(4):
        mosaic.compile(x * (number + 0.25), inputs=[x])(np.ones(8, "float32"))
    gc.collect()
    assert len(loaded_libraries() - before) == 1
    np.testing.assert_array_equal(alive(np.ones(8, "float32")), np.full(8, 2.5, "float32"))
    del alive
    gc.collect()
    assert loaded_libraries() == before


def test_programs_of_the_backend_that_are_forgotten_leave_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSIT_CACHE_DIR", str(tmp_path / "cache"))
    cnp.evaluate(cnp.ones(3) * 1.5, backend="mosaic")
    clear_prepared_programs()
    gc.collect()
    before = loaded_libraries()
    cnp.evaluate(cnp.ones(3) * 2.5 + 1, backend="mosaic")
    assert loaded_libraries() > before
    clear_prepared_programs()
    gc.collect()
    assert loaded_libraries() == before


def test_a_library_stays_while_another_thread_runs_its_code(prepare: Callable[..., PreparedFunction]) -> None:
    source = run_source(
        "*(volatile int *)outputs[0] = 1; while (*(volatile int *)inputs[0] == 0) nanosleep(&pause, NULL);",
        "#include <time.h>\nstatic const struct timespec pause = {0, 1000000};",
    )
    number = tensor_type((1,), "int32")
    go, results = np.zeros(1, "int32"), [np.zeros(1, "int32")]
    function = prepare(source, (number,), (number,))
    thread = threading.Thread(target=function.run_into, args=([go], results))
    thread.start()
    del function
    while not results[0][0]:
        pass
    gc.collect()
    go[0] = 1
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_the_thread_pool_is_never_unloaded() -> None:
    runtime_library.cache_clear()
    path = str(runtime_library().path)
    runtime_library.cache_clear()
    gc.collect()
    assert path in loaded_libraries()


def test_two_libraries_at_one_descriptor_are_two(cache: Cache, target: Target) -> None:
    sources = [run_source(f"*(int *)outputs[0] = {number};") for number in range(3)]
    libraries = [compile_and_load(source, target=target) for source in sources]
    functions = [library.run_function() for library in libraries]
    assert len({int(library_module.foreign_interface().cast("intptr_t", each)) for each in functions}) == 3


def test_a_library_without_its_function_is_refused(cache: Cache, target: Target) -> None:
    stored = compile_library(WITHOUT_RUN, target=target)
    with pytest.raises(CompileError, match=r"mosaic_run was asked of .*library.so, which does not export it"):
        load_library(stored, ["mosaic_run"])
    gc.collect()
    assert str(stored) not in loaded_libraries()


@pytest.mark.parametrize(("mark", "words"), [("", "mosaic_abi was asked"), ("\nconst int mosaic_abi = 77;", "77")])
def test_a_library_of_another_interface_is_refused(
    mark: str, words: str, cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mosaic.runtime.compilation.ABI_MARK", mark)
    with pytest.raises(CompileError, match=words):
        load_library(compile_library(ADD_SOURCE, target=target))


@pytest.mark.parametrize("damage", ["others write", "link", "pipe", "directory", "empty", "missing", "garbage"])
def test_what_is_no_library_of_ours_is_refused(damage: str, own_library: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.so"
    shutil.copyfile(own_library, path)
    path.chmod(0o600)
    assert load_library(path).run_function() is not None
    match damage:
        case "others write":
            path.chmod(0o602)
        case "link":
            path.rename(tmp_path / "real.so")
            path.symlink_to(tmp_path / "real.so")
        case "pipe":
            path.unlink()
            os.mkfifo(path, 0o600)
        case "directory":
            path.unlink()
            path.mkdir(0o700)
        case "empty":
            path.write_bytes(b"")
        case "missing":
            path.unlink()
        case "garbage":
            path.write_bytes(b"garbage" * 1000)
    with pytest.raises(CompileError, match=r"load: .*copy.so was asked for and cannot be loaded: .*; it must be"):
        load_library(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_library_of_another_user_is_refused(own_library: Path) -> None:
    os.chown(own_library, 12345, 12345)
    with pytest.raises(CompileError, match=r"it belongs to user 12345 and this process runs as user 0"):
        load_library(own_library)


def test_where_files_are_not_executed_a_copy_in_memory_is(own_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_module, "_may_execute", lambda descriptor: is_in_memory(descriptor))
    before = loaded_libraries()
    library = load_library(own_library)
    assert library.run_function() is not None
    assert all(name.startswith("/memfd:library.so") for name in loaded_libraries() - before)
    del library
    assert loaded_libraries() == before


def is_in_memory(descriptor: int) -> bool:
    return os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:")


def test_where_nothing_is_executed_the_error_says_what_to_do(
    own_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "_may_execute", lambda descriptor: False)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(
        CodeStorageError,
        match=r"must not be executed on the file system at /.*not mounted noexec; set COMPOSIT_CACHE_DIR",
    ):
        load_library(own_library)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_child_of_a_fork_runs_what_was_loaded_before(tmp_path: Path) -> None:
    script = """
        import os, sys, shutil
        import numpy as np
        import composit as cnp, mosaic
        x = cnp.ones((4,))
        model = mosaic.compile(x * 3, inputs=[x])
        shutil.rmtree(os.environ["COMPOSIT_CACHE_DIR"])
        child = os.fork()
        line = f"{model(np.ones(4))} {mosaic.compile(x * 4, inputs=[x])(np.ones(4))}\\n"
        os.write(1, line.encode())  # whole, while the other process writes too
        if child:
            os.waitpid(child, 0)
    """
    child = start_python(script, COMPOSIT_CACHE_DIR=str(tmp_path / "cache"), PYTHONWARNINGS="ignore")
    output, _ = child.communicate(timeout=PATIENCE_S)
    assert output.splitlines() == ["[3. 3. 3. 3.] [4. 4. 4. 4.]"] * 2
