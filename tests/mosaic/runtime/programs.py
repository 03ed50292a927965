"""Small C texts and child processes that the runtime's tests use."""

import mmap
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from textwrap import dedent

import numpy as np

from mosaic.runtime.abi import RUNTIME_HEADER, run_declaration
from mosaic.runtime.arguments import Signature
from mosaic.runtime.compiler import find_compiler

REPOSITORY = Path(__file__).parents[3]

# Long enough that only a hang reaches it.
PATIENCE_S = 120.0


def run_source(body: str, before: str = "") -> str:
    """The C text of a program whose exported function has that body."""
    unused = "".join(f"(void){name};" for name in ("inputs", "outputs", "constants", "arena", "runtime"))
    return (
        f"{RUNTIME_HEADER}{run_declaration()};\n{dedent(before)}\n{run_declaration()} {{\n{unused}\n{dedent(body)}}}\n"
    )


ADD_SOURCE = run_source(
    """
    const float *x = inputs[0], *y = inputs[1];
    float *z = outputs[0];
    for (int i = 0; i < 4; i++) z[i] = x[i] + y[i];
    """
)

COMPILE_ADD = """
    from mosaic.runtime.compilation import compile_library
    from mosaic.runtime.library import load_library
    from mosaic.targets import detect
    from tests.mosaic.runtime.programs import ADD_SOURCE
    load_library(compile_library(ADD_SOURCE, target=detect())).run_function()
    print("compiled and loaded")
"""


def start_python(script: str, *, stdin: int | None = None, **environment: str) -> "subprocess.Popen[str]":
    """A child process that runs the script in the repository's root, with output and errors in one pipe."""
    return subprocess.Popen(
        [sys.executable, "-c", dedent(script)],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell starts background jobs with Ctrl-C ignored, which children inherit.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # no other thread runs here
    )


def write_program(path: Path, text: str) -> str:
    """The path of an executable shell script."""
    path.write_text("#!/bin/sh\n" + dedent(text))
    path.chmod(0o755)
    return str(path)


def files_below(directory: Path) -> list[Path]:
    """Every file below a directory, wherever it is."""
    return sorted(path for path in directory.rglob("*") if not path.is_dir())


def num_mapped_bytes() -> int:
    """The size of this process's address space."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE


def num_huge_bytes() -> int:
    """How much of this process's address space asks for huge pages."""
    total = size = 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "Size":
            size = int(rest.split()[0]) << 10
        elif name == "VmFlags" and "hg" in rest.split():
            total += size
    return total


def ends_soon(process_id: int) -> bool:
    """Whether a process that was killed is gone, waiting for the kernel to finish it."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], PATIENCE_S)[0])
    finally:
        os.close(descriptor)


def build_sanitized(text: str, directory: Path, flags: Sequence[str] = ()) -> Path:
    """The program of a stand-alone C text, compiled without warnings and with address and undefined sanitizers."""
    source, program = directory / "program.c", directory / "program"
    source.write_text(text)
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wall", "-Wextra", "-Werror"]
    command = [
        *find_compiler().argv,
        "-std=gnu11",
        "-O1",
        "-g1",  # lines for the reports; variables would double the time
        *checks,
        *flags,
        str(source),
        "-o",
        str(program),
        "-lm",
    ]
    subprocess.run(command, check=True, timeout=PATIENCE_S)
    return program


def run_standalone(
    program: Path, signature: Signature, constants: bytes, arrays: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The outputs of a stand-alone program, whose complaints fail the test."""
    directory = program.parent
    inputs = [directory / f"input{number}" for number in range(len(arrays))]
    outputs = [directory / f"output{number}" for number in range(len(signature.outputs))]
    (directory / "constants").write_bytes(constants)
    for path, array in zip(inputs, arrays, strict=True):
        path.write_bytes(array.tobytes())
    command = [program, directory / "constants", *inputs, *outputs]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert finished.returncode == 0, finished.stderr
    contents = zip(outputs, signature.outputs, strict=True)
    return [np.fromfile(path, one.dtype).reshape(one.shape) for path, one in contents]
