"""Parts of Stable Diffusion: the decoder that turns latents into images."""
