"""BERT-base's forward pass on every contender that is installed, with the same weights and checked by one reference."""
