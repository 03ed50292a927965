"""The C itself: approved text, no warnings from two compilers on three targets, no fault under sanitizers, one text."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.apply import apply
from composit.numpy.indexing.advanced_indices import ARRAY, AdvancedIndexAdjoint
from composit.numpy.indexing.taking import TakeAdjoint, TakeAlongAxisAdjoint
from mosaic.executable import Executable
from mosaic.runtime.arguments import Signature
from mosaic.targets import get_target
from tests.mosaic.c_text import c_text
from tests.mosaic.comparison import assert_same_values, tensor, tensors
from tests.mosaic.runtime.programs import build_sanitized, run_standalone
from tests.mosaic.runtime.standalone import standalone_main
from tests.mosaic.test_fusion import attention, gelu, layer_norm, softmax
from tests.sampling import only

GOLDEN = Path(__file__).parent.parent / "golden"
TARGETS = ["x86-64-v4", "x86-64-v3", "aarch64"]


def everything() -> tuple[Any, list[Any]]:
    """A program with a bit of all that is emitted: an encoder layer, gathers, integers, bools, odd lengths."""
    table, positions = tensor(50, 64), tensor(7, 64, seed=1)
    ids = cnp.asarray(np.array([[0, 3, 5, 19, 2, 2, 49]]))
    mask = cnp.asarray(np.zeros(7, "float32"))
    x = cnp.take(table, ids, axis=0) + positions
    x = layer_norm(attention(x, tensors([(64, 64)] * 4), mask, 4), *tensors([(64,), (64,)]))
    x = gelu(x @ tensor(64, 100)) @ tensor(100, 64) + x
    counts = cnp.where(ids > 3, ids // 2, -ids % 5).sum(axis=1)
    numbers = [counts, (x > 0).any(axis=-1), x.sum(axis=(0, 1)), cnp.exp(ids.astype("float64") / -50)]
    sums = [
        apply(TakeAdjoint(0, "raise", (50, 64)), x, ids),
        apply(TakeAlongAxisAdjoint(1, (1, 9)), cnp.exp(ids), ids % 9),
        apply(AdvancedIndexAdjoint((ARRAY,), (50,)), ids, ids),
    ]
    return [x, *numbers, *sums], [ids, mask]


def executable_of(outputs: Any, inputs: list[Any], **settings: Any) -> Executable:
    """The compiled program inside a model; tests look into it, people do not."""
    return mosaic.compile(outputs, inputs=inputs, **settings)._executable


def source_for(target: str) -> str:
    """The C for another processor, which need not run here."""
    outputs, inputs = everything()
    return c_text(outputs, inputs=inputs, target=target)


@pytest.mark.parametrize("target", TARGETS)
def test_gcc_and_clang_accept_it_without_a_warning(target: str, tmp_path: Path) -> None:
    path = tmp_path / "program.c"
    path.write_text(source_for(target))
    options = [
        "-std=gnu11",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fwrapv",
        "-c",
        str(path),
        "-o",
        str(tmp_path / "o"),
    ]
    record = get_target(target)
    commands = [[sys.executable, "-m", "ziglang", "cc", *record.zig_flags, *options]]
    if target != "aarch64":  # gcc here has no other machine to compile for
        commands.append(["cc", *record.flags, *options])
    for command in commands:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert (finished.returncode, finished.stderr) == (0, ""), finished.stderr[:2000]


def test_the_code_for_avx2_computes_the_same() -> None:
    outputs, inputs = everything()
    model = mosaic.compile(outputs, inputs=inputs, target="x86-64-v3")
    results = model(*(cnp.evaluate(each) for each in inputs))
    for given, expected in zip(results, cnp.evaluate(outputs), strict=True):
        assert_same_values(given, expected)


@pytest.mark.parametrize("fuse", only([True], [True, False]))
def test_no_sanitizer_complains(fuse: bool, tmp_path: Path) -> None:
    outputs, inputs = everything()
    executable = executable_of(outputs, inputs, fuse=fuse)
    signature: Signature = executable.functions[0].signature
    constants = executable.constants.tobytes()
    text = standalone_main(executable.compiled.source, signature, len(constants))
    arrays = [cnp.evaluate(each) for each in inputs]
    results = run_standalone(build_sanitized(text, tmp_path), signature, constants, arrays)
    for given, expected in zip(results, cnp.evaluate(outputs), strict=False):
        assert_same_values(given, expected)


def test_the_text_is_the_same_in_every_process() -> None:
    program = (
        "import mosaic, hashlib; from tests.mosaic.test_emitted_c import c_text, everything; outputs, inputs = everything(); "
        "print(hashlib.sha256(c_text(outputs, inputs=inputs, target='x86-64-v3').encode()).hexdigest())"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
        env={"PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2", "PATH": "/usr/bin:/bin"},
    )
    outputs, inputs = everything()
    here = c_text(outputs, inputs=inputs, target="x86-64-v3")
    assert finished.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()


def test_values_of_constants_are_not_in_the_text() -> None:
    x = cnp.zeros((4, 8), dtype="float32")
    texts = {
        c_text(x @ tensor(8, 8, seed=seed) + tensor(8, seed=seed), inputs=[x], target="x86-64-v3") for seed in (1, 2)
    }
    assert len(texts) == 1


def row_written(x: Any) -> Any:
    a = x * 2
    a[3] = a[2] + 1
    return a


def slices_written(x: Any) -> Any:
    a = x * 2
    a[::2, 1:9] = a[1::2, 1:9] * x[:12, :8]
    return a


def convolution_of_images(x: Any) -> Any:
    return cnp.nn.relu(cnp.nn.convolution(x, tensor(40, 3, 3, 3), tensor(40)))


EXAMPLES = {
    "running_sums_of_rows": lambda x: cnp.cumsum(x, axis=1),
    "running_products_of_columns": lambda x: cnp.cumprod(x + 1, axis=0),
    "row_written": row_written,
    "slices_written": slices_written,
    "add": lambda x: x + 1,
    "softmax": softmax,
    "layer_norm": lambda x: layer_norm(x, *tensors([(50,), (50,)])),
    "product_with_bias_and_gelu": lambda x: gelu(x @ tensor(50, 40) + tensor(40)),
    "sum_of_rows": lambda x: x.sum(axis=0),
    "convolution": lambda x: cnp.convolve(x[0], x[1, :5]),
    "convolution_of_images": lambda x: convolution_of_images(cnp.reshape(x, (2, 3, 10, 20))),
}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_kernels_read_as_approved(name: str, update_golden: bool) -> None:
    x = cnp.zeros((24, 50), dtype="float32")
    text = c_text(EXAMPLES[name](x), inputs=[x], target="x86-64-v3")
    first = text.find("void product_")
    start = text.rindex("/*", 0, first if first >= 0 else text.index("static void kernel_0"))
    kernels = text[start : text.index("#define INPUTS")]
    if name.endswith("_written"):
        kernels += text[text.index("static const struct place") :]  # the places show which array is changed
    path = GOLDEN / f"{name}.c"
    if update_golden:
        path.write_text(kernels)
    assert kernels == path.read_text()


def test_rows_of_several_axes_are_counted_without_division() -> None:
    x = cnp.asarray(np.zeros((4, 5, 6, 7, 3), "float32"))
    text = c_text(cnp.ascontiguousarray(cnp.transpose(x, (4, 1, 3, 0, 2))) + 1, [x])
    loop = text.partition("for (int64_t row")[2].partition("\n}")[0]
    assert "r3 += 1" in loop
    assert " / " not in loop
    assert " % " not in loop
