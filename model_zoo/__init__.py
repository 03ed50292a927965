"""Known networks as functions of composit tensors, on parameters taken from torch modules; each is compared with its original."""
