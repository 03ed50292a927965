"""Whole models of transformers and diffusers: what capturing, compiling and running them takes, beside torch."""
