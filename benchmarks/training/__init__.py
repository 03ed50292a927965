"""The suite `training`: whole training steps of composit, torch and jax."""
