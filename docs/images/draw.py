"""Draws the pictures of the README: `python docs/images/draw.py` writes them beside this file. Needs torch and dot."""

import re
from pathlib import Path

import torch
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertModel

import composit.numpy as cnp
import flashlight
from composit import name_scope, with_name
from composit.types import visualize

_HERE = Path(__file__).parent


def draw_encoder_layer() -> None:
    """One encoder layer of MiniLM's sizes, captured from transformers' code."""
    config = BertConfig(hidden_size=384, num_attention_heads=12, intermediate_size=1536, num_hidden_layers=1)
    torch.manual_seed(0)
    layer = BertModel(config, add_pooling_layer=False).eval().encoder.layer[0]
    hidden = torch.zeros(1, 128, 384)
    with torch.inference_mode(), flashlight.tracer.trace():
        output = layer(hidden)
    visualize(output, filename=_HERE / "encoder_layer.svg")
    visualize(output, filename=_HERE / "encoder_layer_folded.svg", depth=2, direction="LR")


def draw_softmax() -> None:
    """A softmax, the README's first picture."""
    x = with_name(cnp.ones((4, 8), dtype="float32"), "x")
    with name_scope("softmax"):
        shifted = cnp.exp(x - cnp.max(x, axis=-1, keepdims=True))
        y = shifted / cnp.sum(shifted, axis=-1, keepdims=True)
    visualize(y, filename=_HERE / "softmax.svg", direction="LR")


def _forget_folders() -> None:
    """The tips of the boxes name source files: keep their names, drop the folders of the machine that drew them."""
    for picture in _HERE.glob("*.svg"):
        picture.write_text(re.sub(r"File &quot;(?:[^&]|&#45;)*/", "File &quot;", picture.read_text()))


if __name__ == "__main__":
    draw_softmax()
    draw_encoder_layer()
    _forget_folders()
