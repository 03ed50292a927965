"""torch's own samples of its operators, captured: values by numpy alone and gradients by chain_rule, with torch forbidden to compute.

The default run takes every entry's first sample in turns; all samples of all entries are slow.
"""

from __future__ import annotations

import pytest
import torch

from tests.composit.nn.opinfo import entries
from tests.flashlight.opinfo import run_entry

_CUDA = "torch has no kernel for the CPU"
_SPARSE = "sparse tensors are refused by name"
_DTYPE = "numpy has no such dtype"
_LACKING = "numpy has no such factorisation"
WITHOUT_VALUES: dict[str, str] = {
    "jiterator_unary": _CUDA,
    "jiterator_binary": _CUDA,
    "jiterator_4inputs_with_extra_args": _CUDA,
    "jiterator_binary_return_by_ref": _CUDA,
    "jiterator_2inputs_2outputs": _CUDA,
    "torch.ops.aten._flash_attention_forward": _CUDA,
    "torch.ops.aten._efficient_attention_forward": _CUDA,
    "bmm|triton_optimized": _CUDA,
    "sparse.sampled_addmm": _SPARSE,
    "sparse.mm|reduce": _SPARSE,
    "to_sparse": _SPARSE,
    "torch._scaled_mm": _DTYPE,
    "torch._scaled_mm_v2": _DTYPE,
    "chalf": _DTYPE,
    "linalg.ldl_factor": _LACKING,
    "linalg.ldl_factor_ex": _LACKING,
    "linalg.ldl_solve": _LACKING,
    "as_strided|partial_views": "elements beyond the tensor, in memory that no trace has seen",
    "linalg.eig": "numpy and torch list eigenvalues in another order on other inputs",
    "linalg.eigvals": "numpy and torch list eigenvalues in another order on other inputs",
}
_OWN = "torch's gradient is another than the derivative: {}"
WITHOUT_GRADIENTS: dict[str, str] = {
    "nn.functional.ctc_loss": _OWN.format("that of normalised scores"),
    "nn.functional.max_unpool1d": _OWN.format("it counts elements that were overwritten"),
    "nn.functional.max_unpool2d": _OWN.format("it counts elements that were overwritten"),
    "nn.functional.max_unpool3d": _OWN.format("it counts elements that were overwritten"),
    "cholesky_inverse": _OWN.format("it fills the triangle that is not read"),
    "cholesky_solve": _OWN.format("it fills the triangle that is not read"),
    "linalg.pinv|hermitian": _OWN.format("it fills the triangle that is not read"),
    "nextafter": _OWN.format("it counts a step as the identity"),
    "as_strided_scatter": _OWN.format("of places written twice, it counts all"),
}
_UNTOUCHED = "an input that is returned as it is"
WITHOUT_GRADIENTS |= dict.fromkeys(("atleast_1d", "atleast_2d", "atleast_3d"), _UNTOUCHED)
_ROUNDED_INSIDE = "torch rounds between the steps of its kernel"
_TIES = "torch takes others of equal numbers, of which there are many"
OTHERWISE_IN_HALF: dict[str, str] = {
    **dict.fromkeys(("grid_sampler_2d", "grid_sampler_3d", "nn.functional.grid_sample", "matrix_exp"), _ROUNDED_INSIDE),
    "nn.functional.soft_margin_loss": _ROUNDED_INSIDE,
    **dict.fromkeys(("sort", "argsort", "topk"), _TIES),
    **dict.fromkeys(("special.i1", "special.i1e"), "torch has no gradient, which its sample asks for"),
    **dict.fromkeys(("complex", "view_as_complex"), "numpy has no complex numbers of float16"),
    "nextafter": "refused: the steps are others than those of float32",
    "logspace|tensor_overload": _ROUNDED_INSIDE,
}
NAMES = [name for name in entries("") if name not in WITHOUT_VALUES]


def _check(name: str, most: int | None) -> None:
    outcome = run_entry(name, most=most)
    assert outcome.values == {}
    if name not in WITHOUT_GRADIENTS:
        assert outcome.gradients == {}


@pytest.mark.parametrize("name", NAMES[::12])
def test_the_first_samples_of_an_entry_are_torchs(name: str) -> None:
    _check(name, 2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("name", [name for name in NAMES[5::12] if name not in OTHERWISE_IN_HALF])
def test_the_first_samples_of_half_precision_are_torchs(name: str, dtype: torch.dtype) -> None:
    assert run_entry(name, most=2, dtype=dtype).values == {}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in OTHERWISE_IN_HALF])
def test_samples_of_half_precision_are_torchs(name: str, dtype: torch.dtype) -> None:
    assert run_entry(name, most=4, dtype=dtype).values == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_all_samples_of_an_entry_are_torchs(name: str) -> None:
    _check(name, None)


def test_the_entries_that_are_left_out_exist() -> None:
    # torch lists those of CUDA on some machines only.
    of_cpu = {name for name, reason in WITHOUT_VALUES.items() if reason != _CUDA}
    of_cpu |= set(OTHERWISE_IN_HALF)
    assert of_cpu | set(WITHOUT_GRADIENTS) <= set(entries(""))
    assert len(NAMES) >= 660
