"""The zoo: real models with tiny configurations and hard programs. Each is captured, right by numpy alone, and right on others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.flashlight.zoo import (
    audio_rows,
    configured_models,
    diffusers_models,
    experts_rows,
    generation_rows,
    hard_programs,
    language_rows,
    multimodal_rows,
    timm_models,
    transformers_heads,
    transformers_models,
    vision_rows,
)
from tests.flashlight.zoo.case import Case, in_dtype, under_autocast
from tests.flashlight.zoo.check import check
from tests.flashlight.zoo.transformers_rows import ROWS
from tests.sampling import one_in, only

HARD = {case.name: case for case in hard_programs.cases()}
MODELS = {case.name: case for case in (transformers_models.case(*row) for row in ROWS)}
HEADS = {
    case.name: case
    for (attention, kind), names in transformers_heads.HEADS.items()
    for case in (transformers_models.case(name, name, "", kind, attention=attention) for name in names.split())
}
TIMM = {case.name: case for case in timm_models.cases()}
DIFFUSERS = {case.name: case for case in diffusers_models.cases()}
DIFFUSERS_SAMPLE = [
    f"diffusers/{name}"
    for name in (
        *diffusers_models.MODELS,
        *(
            "unet of heads of eight",
            "unet of one axis",
            "unet of video",
            "flux",
            "coder of cog video",
            "coder of sound",
        ),
        *("loop of DDIMScheduler", "loop of DPMSolverMultistepScheduler", "loop of HeunDiscreteScheduler"),
    )
]
TABLES = {
    "generation": generation_rows.ROWS,
    "experts": experts_rows.ROWS,
    "audio": audio_rows.ROWS,
    "multimodal": multimodal_rows.ROWS,
    "vision": vision_rows.ROWS,
    "language": language_rows.ROWS,
}
CONFIGURED = {case.name: case for table, rows in TABLES.items() for case in configured_models.cases(table, rows)}
CONFIGURED_SAMPLE = [
    "generation/greedy gpt2",
    "generation/beams of t5",
    "experts/mixtral experts",
    "experts/mamba2 states",
    "audio/encodec",
    "audio/whisper of two windows",
    "multimodal/llava of llama",
    "multimodal/deformable detr",
    "language/xlm answers",
    "language/deepseek 3.2",
    "vision/rt detr 2",
]
HALVED = ["transformers/bert", "transformers/llama", "transformers/mobilenet_v2", "transformers/t5"]
# Of each kind of model one that takes little time.
SAMPLE = [
    f"transformers/{name}"
    for name in (
        "bart bert clip_vision_model convnext gemma3_text-causal gpt2 hubert llama mamba mixtral mobilenet_v2 qwen3-causal "
        "resnet swin t5 vit wav2vec2 whisper xlnet"
    ).split()
    if f"transformers/{name}" in MODELS
]


def tried(case: Case, compiled: bool = False) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        outcome = check(case, compiled)
    finally:
        torch.set_num_threads(threads)
    assert outcome, f"{outcome.stage}: {outcome.reason}"


@pytest.mark.parametrize("name", one_in(2, HARD))
def test_a_hard_program_is_captured(name: str) -> None:
    tried(HARD[name])


@pytest.mark.parametrize("name", SAMPLE)
def test_a_model_of_the_sample_is_captured(name: str) -> None:
    pytest.importorskip("transformers")
    tried(MODELS[name])


@pytest.mark.parametrize("name", only(["transformers/bert", "transformers/mobilenet_v2"], HALVED))
def test_a_model_of_half_precision_is_captured(name: str) -> None:
    pytest.importorskip("transformers")
    for case in _of_half_precision(MODELS[name]):
        tried(case)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_a_model_of_half_precision_is_right_when_compiled(name: str) -> None:
    pytest.importorskip("transformers")
    for case in _of_half_precision(MODELS[name]):
        tried(case, compiled=True)


def _of_half_precision(case: Case) -> Iterator[Case]:
    """Return the case in half precision and under autocast. The tolerances are a few units of the last place."""
    for dtype, tolerance in ((torch.bfloat16, 6e-2), (torch.float16, 1e-2)):
        yield in_dtype(case, dtype, tolerance)
        yield under_autocast(case, dtype, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if name not in SAMPLE])
def test_a_model_is_captured(name: str) -> None:
    pytest.importorskip("transformers")
    tried(MODELS[name])


@pytest.mark.parametrize("name", CONFIGURED_SAMPLE)
def test_a_model_with_a_configuration_of_its_own_is_captured(name: str) -> None:
    pytest.importorskip("transformers")
    tried(CONFIGURED[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURED)
def test_a_model_with_a_configuration_of_its_own_is_right_when_compiled(name: str) -> None:
    pytest.importorskip("transformers")
    tried(CONFIGURED[name], compiled=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_right_when_compiled(name: str) -> None:
    pytest.importorskip("transformers")
    tried(HEADS[name], compiled=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM)
def test_a_model_of_timm_is_right_when_compiled(name: str) -> None:
    pytest.importorskip("timm")
    tried(TIMM[name], compiled=True)


@pytest.mark.parametrize("name", one_in(2, DIFFUSERS_SAMPLE))
def test_a_model_of_diffusers_is_captured(name: str) -> None:
    pytest.importorskip("diffusers")
    tried(DIFFUSERS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFUSERS)
def test_a_model_of_diffusers_is_right_when_compiled(name: str) -> None:
    pytest.importorskip("diffusers")
    tried(DIFFUSERS[name], compiled=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*HARD, *SAMPLE])
def test_what_is_captured_is_right_when_compiled(name: str) -> None:
    if name.startswith("transformers/"):
        pytest.importorskip("transformers")
    tried((HARD | MODELS)[name], compiled=True)
