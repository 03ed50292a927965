"""Models and schedulers' loops of diffusers with tiny configurations and random weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from tests.flashlight.zoo.case import Case, Program, floats
from tests.flashlight.zoo.diffusers_rows import ROWS
from tests.flashlight.zoo.transformers_models import randomise

BLOCKS: dict[str, Any] = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}
UNET: dict[str, Any] = {
    **BLOCKS,
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 8,
    "attention_head_dim": 4,
}
CODER: dict[str, Any] = {
    **BLOCKS,
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "latent_channels": 4,
    "sample_size": 16,
}
DIT: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "in_channels": 4,
    "num_layers": 2,
    "sample_size": 8,
    "patch_size": 2,
}
SD3: dict[str, Any] = {
    **DIT,
    "joint_attention_dim": 16,
    "caption_projection_dim": 16,
    "pooled_projection_dim": 16,
    "out_channels": 4,
    "pos_embed_max_size": 8,
}


def _latents(generator: torch.Generator) -> dict[str, Any]:
    return {"sample": floats(generator, 1, 4, 8, 8), "timestep": torch.tensor([7])}


def _guided(generator: torch.Generator) -> dict[str, Any]:
    return {**_latents(generator), "encoder_hidden_states": floats(generator, 1, 5, 8)}


def _images(generator: torch.Generator) -> dict[str, Any]:
    return {"sample": floats(generator, 1, 3, 16, 16)}


def _classes(generator: torch.Generator) -> dict[str, Any]:
    given = {"hidden_states": floats(generator, 1, 4, 8, 8), "timestep": torch.tensor([3])}
    return {**given, "class_labels": torch.tensor([2])}


def _joint(generator: torch.Generator) -> dict[str, Any]:
    given = {"hidden_states": floats(generator, 1, 4, 8, 8), "timestep": torch.tensor([3])}
    return {
        **given,
        "encoder_hidden_states": floats(generator, 1, 5, 16),
        "pooled_projections": floats(generator, 1, 16),
    }


MODELS: dict[str, tuple[str, dict[str, Any], Callable[[torch.Generator], dict[str, Any]]]] = {
    "unet": (
        "UNet2DModel",
        {**BLOCKS, "sample_size": 8, "in_channels": 4, "out_channels": 4, "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
         "up_block_types": ("AttnUpBlock2D", "UpBlock2D"), "attention_head_dim": 4},
        _latents,
    ),
    "unet of stable diffusion": ("UNet2DConditionModel", UNET, _guided),
    "unet with linear projections": ("UNet2DConditionModel", {**UNET, "use_linear_projection": True}, _guided),
    "autoencoder": ("AutoencoderKL", CODER, _images),
    "tiny autoencoder": (
        "AutoencoderTiny",
        {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8), "num_encoder_blocks": (1, 1),
         "num_decoder_blocks": (1, 1)},
        _images,
    ),
    "vector quantiser": ("VQModel", {**CODER, "latent_channels": 3, "num_vq_embeddings": 16}, _images),
    "dit": ("DiTTransformer2DModel", {**DIT, "norm_num_groups": 4, "num_embeds_ada_norm": 10}, _classes),
    "sd3": ("SD3Transformer2DModel", SD3, _joint),
}  # fmt: skip

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        name: (name, {})
        for name in (
            "DDIMScheduler DDPMScheduler EulerDiscreteScheduler DPMSolverMultistepScheduler UniPCMultistepScheduler LMSDiscreteScheduler "
            "HeunDiscreteScheduler KDPM2DiscreteScheduler KDPM2AncestralDiscreteScheduler EulerAncestralDiscreteScheduler "
            "DEISMultistepScheduler DPMSolverSinglestepScheduler LCMScheduler TCDScheduler IPNDMScheduler SASolverScheduler "
            "EDMEulerScheduler"
        ).split()
    },
    "PNDMScheduler": ("PNDMScheduler", {"skip_prk_steps": True}),
    "DDIM of velocities": (
        "DDIMScheduler",
        {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
    ),
    "DDPM with thresholds": (
        "DDPMScheduler",
        {"thresholding": True, "variance_type": "fixed_large", "beta_schedule": "squaredcos_cap_v2"},
    ),
    "Karras's steps": (
        "DPMSolverMultistepScheduler",
        {"use_karras_sigmas": True, "algorithm_type": "sde-dpmsolver++", "solver_order": 3},
    ),
    "Euler's with beta sigmas": (
        "EulerDiscreteScheduler",
        {"use_exponential_sigmas": True, "interpolation_type": "log_linear"},
    ),
}
# Schedulers of flow matching know nothing of betas.
FLOWS = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")


def _model(name: str) -> Program:
    import diffusers

    kind, settings, inputs = MODELS[name]
    torch.manual_seed(3)
    return Program(getattr(diffusers, kind)(**settings).eval(), inputs)


def _configured(name: str) -> Program:
    import diffusers

    kind, settings, makers = ROWS[name]
    torch.manual_seed(3)
    make: Any = getattr(diffusers, kind)
    model = make(**settings).eval()
    randomise(model)
    return Program(model, lambda generator: {argument: maker(generator) for argument, maker in makers.items()})


def _loop(name: str) -> Program:
    """Return three steps of a scheduler with a UNet."""
    import diffusers

    unet = _model("unet").function
    kind, settings = SCHEDULERS.get(name, (name, {}))
    make: Any = getattr(diffusers, kind)

    def denoise(sample: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        scheduler = make(num_train_timesteps=50, **settings)
        scheduler.set_timesteps(3)
        generator = torch.Generator().manual_seed(5)
        takes_generator = "generator" in inspect.signature(scheduler.step).parameters
        more = {"generator": generator} if takes_generator else {}
        if name not in FLOWS:
            sample = sample * scheduler.init_noise_sigma
        for step in scheduler.timesteps:
            scaled = sample if name in FLOWS else scheduler.scale_model_input(sample, step)
            noise = unet(scaled, step).sample
            sample = scheduler.step(noise, step, sample, **more).prev_sample
        return sample

    return Program(denoise, lambda generator: {"sample": floats(generator, 1, 4, 8, 8)})


def cases() -> list[Case]:
    """Return the cases; building one needs diffusers."""
    models = [Case(f"diffusers/{name}", partial(_model, name)) for name in MODELS]
    models += [Case(f"diffusers/{name}", partial(_configured, name)) for name in ROWS]
    return models + [Case(f"diffusers/loop of {name}", partial(_loop, name)) for name in (*SCHEDULERS, *FLOWS)]
