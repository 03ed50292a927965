"""Single kernels (products, softmax, layer norm, gelu, chains, LSTM) against the peers' kernels."""
