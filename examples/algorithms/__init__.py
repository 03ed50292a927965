"""Programs that choose the algorithms of torch models with flashlight: one idea each."""
