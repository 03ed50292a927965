"""Exported libraries are built and run: their self-tests pass, and they need nothing but their arguments."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import OperandError, ParameterError, ShapeError
from mosaic.targets import detect
from tests.mosaic.exporting.libraries import PATIENCE_S, bert_layer, digits, make, named, perceptron
from tests.sampling import only

ZIG = f"CC={sys.executable} -m ziglang cc"
ZIG_PROCESSORS = {None: "native", "x86-64-v3": "x86_64_v3", "x86-64-v2": "x86_64_v2", "generic": "baseline"}
PASSED = "all outputs are as recorded"
SANITIZED = "CFLAGS=-O1 -g1 -Werror -fsanitize=address,undefined -fno-sanitize-recover=all"


def _everything(folder: Path, target: str | None) -> None:
    scores, images = digits()
    encoded, tokens = bert_layer()
    mosaic.export(
        {**perceptron(), "digits": (scores, [images]), "bert": (encoded, [tokens])}, folder, name="whole", target=target
    )


@pytest.fixture(scope="module")
def generic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library for any processor."""
    folder = tmp_path_factory.mktemp("generic")
    _everything(folder, "generic")
    return folder


def _copied(folder: Path, place: Path) -> Path:
    return Path(shutil.copytree(folder, place / "copy"))


@pytest.mark.parametrize("target", only([None], [None, "x86-64-v3", "x86-64-v2", "generic"]))
@pytest.mark.parametrize("compiler", only(["gcc"], ["gcc", "clang", "zig"]))
def test_a_library_is_built_without_a_warning_and_passes_its_self_test(
    target: str | None, compiler: str, tmp_path: Path
) -> None:
    if compiler != "zig" and shutil.which(compiler) is None:
        pytest.skip(f"this machine has no {compiler}")
    _everything(tmp_path, target)
    # zig has names of its own for processors.
    zigs = (ZIG, f"ARCH=-mcpu={ZIG_PROCESSORS[target]}", "CFLAGS=-O1 -Werror -fno-sanitize=undefined")
    said = make(tmp_path, *(zigs if compiler == "zig" else (f"CC={compiler}",)), "test")
    assert PASSED in said
    errors = [float(each) for each in re.findall(r", ([0-9.]+) ulp of the largest", said)]
    assert len(errors) == 10
    assert max(errors) < 16


def test_sanitizers_find_nothing(generic: Path, tmp_path: Path) -> None:
    assert PASSED in make(_copied(generic, tmp_path), "CC=gcc", SANITIZED, "test")


def test_the_self_test_notices_a_changed_weight(generic: Path, tmp_path: Path) -> None:
    folder = _copied(generic, tmp_path)
    weights = np.fromfile(folder / "whole_weights.bin", "float32")
    weights[:8] = 1.0
    weights.tofile(folder / "whole_weights.bin")
    with pytest.raises(AssertionError, match="FAILED: forward: y differs"):
        make(folder, "test")


SMALL_STACK = """
#include <pthread.h>
#include <stdio.h>
int selftest(int, char **);
static int status = 1;
static void *run(void *nothing) {
    char *arguments[] = {"selftest"};
    status = selftest(1, arguments);
    return nothing;
}
int main(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, 64 * 1024) || pthread_create(&thread, &attributes, run, 0)) return 2;
    pthread_join(thread, 0);
    return status;
}
"""


def test_a_stack_of_64_kib_is_enough(generic: Path, tmp_path: Path) -> None:
    folder = _copied(generic, tmp_path)
    (folder / "main.c").write_text(SMALL_STACK)
    make(folder, "libwhole.a")
    command = ["gcc", "-fno-strict-aliasing", "-Dmain=selftest", "-c", "whole_selftest.c"]
    subprocess.run(command, cwd=folder, check=True, timeout=PATIENCE_S)
    command = ["gcc", "main.c", "whole_selftest.o", "libwhole.a", "-lm", "-pthread", "-o", "small"]
    subprocess.run(command, cwd=folder, check=True, timeout=PATIENCE_S)
    finished = subprocess.run(["./small"], cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert (finished.returncode, PASSED in finished.stdout) == (0, True), finished.stdout


def test_the_library_asks_for_nothing_but_memory_and_mathematics(generic: Path, tmp_path: Path) -> None:
    folder = _copied(generic, tmp_path)
    make(folder, "libwhole.a")
    listed = subprocess.run(["nm", "-g", "libwhole.a"], cwd=folder, capture_output=True, text=True, check=True).stdout
    undefined = set(re.findall(r" U (\w+)", listed))
    assert undefined <= {"memcpy", "memset", "memmove", "fmodf", "fmod"}
    defined = set(re.findall(r" [TRD] (\w+)", listed))
    assert defined == {"whole_forward", "whole_gradient", "whole_step", "whole_digits", "whole_bert"}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["generic", "aarch64"])
def test_a_library_for_an_arm_processor_is_built_and_runs_where_it_can(target: str, tmp_path: Path) -> None:
    _everything(tmp_path, target)
    arch = "ARCH=-target aarch64-linux-musl"
    make(tmp_path, ZIG, arch, "CFLAGS=-O1 -Werror -fno-sanitize=undefined", "all")
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if emulator is not None:
        assert PASSED in make(tmp_path, f"RUN={emulator}", "test")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["generic"])
def test_a_library_for_a_microcontroller_is_built(target: str, tmp_path: Path) -> None:
    _everything(tmp_path, target)
    arch = "ARCH=-target thumb-freestanding-eabihf -mcpu=cortex_m4"
    for source in sorted(tmp_path.glob("whole_*.c")):
        if source.name != "whole_selftest.c":  # which prints
            make(tmp_path, ZIG, arch, "CFLAGS=-O1 -Werror -fno-sanitize=undefined", f"{source.stem}.o")
    if shutil.which("arm-none-eabi-gcc") is not None:
        make(tmp_path, "clean")
        make(tmp_path, "CC=arm-none-eabi-gcc", "AR=arm-none-eabi-ar", "ARCH=-mcpu=cortex-m4 -mthumb", "libwhole.a")


@pytest.mark.slow
def test_cmake_builds_the_library_and_runs_its_test(generic: Path, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("this machine has no cmake")
    folder = _copied(generic, tmp_path)
    for command in ("cmake -B build", "cmake --build build", "ctest --test-dir build"):
        subprocess.run(command.split(), cwd=folder, check=True, timeout=PATIENCE_S, capture_output=True)


@pytest.mark.parametrize("index", [1, 7])
def test_a_function_computes_all_outputs_and_reports_an_index_out_of_bounds(index: int, tmp_path: Path) -> None:
    x, i = named("x", np.array([3.0, 1.0, 2.0])), named("i", np.array([0, 1]))
    mosaic.export([cnp.take(x, i) * 2, x[::-1]], tmp_path, name="taken", inputs=[x, i], target="generic")
    flags = ["-shared", "-fPIC", "-fno-strict-aliasing", "-fwrapv"]
    command = ["gcc", *flags, "taken_forward.c", "-o", "taken.so", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=PATIENCE_S)
    arrays = [np.array([3.0, 1.0, 2.0]), np.array([0, index]), np.empty(2), np.empty(3), np.empty(1024)]
    pointers = [ctypes.c_void_p(each.ctypes.data) for each in arrays]
    status = ctypes.CDLL(str(tmp_path / "taken.so")).taken_forward(*pointers[:4], None, pointers[4])
    assert status == int(index > 2)
    np.testing.assert_array_equal(arrays[3], [2, 1, 3])
    assert index > 2 or arrays[2].tolist() == [6.0, 2.0]
    header = (tmp_path / "taken.h").read_text()
    assert "Returns 1 where an index of take is out of bounds" in header
    assert "int taken_forward(const double *x, const int64_t *i, double *output_0, double *output_1," in header


def test_the_header_says_what_functions_take_and_how_much_memory(generic: Path) -> None:
    header = (generic / "whole.h").read_text()
    for words in (
        " * in  x: float32[8, 20], 640 bytes",
        " * out gradient_w1: float32[20, 32], 2560 bytes",
        "#define WHOLE_STEP_ARENA_BYTES ",
        "#define WHOLE_FORWARD_WEIGHT_0_OFFSET 0 /* w1: float32[20, 32], packed */",
        "int whole_forward(const float *x, float *y, const void *weights, void *arena);",
    ):
        assert words in header
    command = ["g++", "-x", "c++", "-fsyntax-only", "-Wall", "-Werror", "whole.h"]
    subprocess.run(command, cwd=generic, check=True, timeout=PATIENCE_S)


def test_complex_numbers_lie_as_pairs(tmp_path: Path) -> None:
    x = named("x", np.array([1 + 2j, 3j], "complex64"))
    mosaic.export(x * 2j, tmp_path, inputs=[x], target="generic")
    assert (
        " * in  x: complex64[2], 16 bytes, each number its real and its imaginary part"
        in (tmp_path / "model.h").read_text()
    )
    assert PASSED in make(tmp_path, "test")


def test_a_compiled_model_is_exported_as_it_is(tmp_path: Path) -> None:
    scores, images = digits()
    model = mosaic.compile({"scores": scores, "order": cnp.transpose(images) * 2}, inputs=[images])
    library = mosaic.export(model, tmp_path, name="digits")
    assert library.arena_bytes == model._executable.compiled.regions[0].num_arena_bytes(1)
    assert "axes in memory [" in (tmp_path / "digits.h").read_text()
    said = make(tmp_path, "test")
    assert PASSED in said
    assert said.count(" 0.0 ulp of the largest") == 2
    with pytest.raises(ParameterError, match=f"was compiled for {detect().name}, and target='generic'"):
        mosaic.export(model, tmp_path / "other", target="generic")


def test_a_loaded_program_is_exported_with_the_names_of_its_inputs(tmp_path: Path) -> None:
    scores, images = digits()
    cnp.save(tmp_path / "digits.composit", {"scores": scores}, inputs={"pictures": images})
    library = mosaic.export(cnp.load(tmp_path / "digits.composit"), tmp_path / "c", name="digits")
    assert library.functions == (
        "int digits_forward(const float *pictures, float *scores, const void *weights, void *arena)",
    )
    assert set(library.files) == {each.name for each in library.folder.iterdir()}
    assert PASSED in make(library.folder, "test")


def test_large_weights_and_records_are_files(tmp_path: Path) -> None:
    x, w = named("x", np.linspace(-1, 1, 40_000, dtype="float32")), cnp.asarray(np.ones(40_000, "float32"))
    library = mosaic.export(x * w, tmp_path, inputs=[x])
    assert "model_weights.c" not in library.files
    assert {"model_weights.bin", "model_recorded.bin"} <= set(library.files)
    assert PASSED in make(tmp_path, "test")


def test_examples_are_recorded(tmp_path: Path) -> None:
    x = named("x", np.zeros(3))
    mosaic.export(x + 1, tmp_path, inputs=[x], examples=[np.array([1.0, 2.0, 4.0])])
    words = [f"0x{each:016x}u" for each in np.array([1.0, 2.0, 4.0, 2.0, 3.0, 5.0]).view("u8").tolist()]
    text = (tmp_path / "model_selftest.c").read_text()
    assert re.findall(r"0x\w+u", text) == words


def _unlike_names(x: Any) -> dict[str, Any]:
    return {"Step": (x + 1, [x]), "step": (x + 2, [x])}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (lambda x: (x + 1, {"inputs": [x], "name": "my-net"}), ParameterError, "'my-net', which is no identifier of C"),
        (lambda x: (x + 1, {"inputs": [x], "name": "int"}), ParameterError, "no identifier of C"),
        (lambda x: (x + 1, {"inputs": [x], "name": "test"}), ParameterError, "target of CMake is; .* 'my_test'"),
        (lambda x: (x + 1, {"inputs": [x], "name": "math"}), ParameterError, "a standard header"),
        (lambda x: ({"2d": (x + 1, [x])}, {}), ParameterError, "a function is called '2d'"),
        (lambda x: (x + 1, {}), OperandError, r"without inputs; expected a compiled model.*inputs=\[\.\.\.\]"),
        (lambda x: ({}, {}), OperandError, "an empty dictionary"),
        (lambda x: (_unlike_names(x), {}), ParameterError, "differ in more than capitals"),
        (lambda x: (x + 1, {"inputs": [x], "target": "z80"}), ParameterError, "no target is called 'z80'"),
        (
            lambda x: (x + 1, {"inputs": [x], "examples": [np.zeros(4)]}),
            ShapeError,
            r"are float64\[4\]; expected float64\[3\]",
        ),
        (
            lambda x: (x + 1, {"inputs": [x], "examples": {"other": []}}),
            ParameterError,
            "examples are for other; expected",
        ),
    ],
)
def test_bad_arguments_are_errors_at_the_call(arguments: Any, error: type, words: str, tmp_path: Path) -> None:
    what, options = arguments(named("x", np.zeros(3)))
    with pytest.raises(error, match=words):
        mosaic.export(what, tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    x = named("x", np.zeros(3))
    (tmp_path / "mine").touch()
    with pytest.raises(ParameterError, match="is not empty, and nothing in it is overwritten; expected a folder"):
        mosaic.export(x + 1, tmp_path, inputs=[x])
    with pytest.raises(ParameterError, match="is a file; expected a folder"):
        mosaic.export(x + 1, tmp_path / "mine", inputs=[x])


def test_an_operation_without_c_is_named_with_its_module(tmp_path: Path) -> None:
    x = named("x", np.zeros(3))
    with cnp.name_scope("encoder"):
        y = cnp.partition(x, 1) + 1
    with pytest.raises(NotImplementedError, match=r"export: partition \(in encoder\) would not be in the C"):
        mosaic.export(y, tmp_path, inputs=[x])
