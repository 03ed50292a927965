"""Names of the operations that have algorithms, as people write them: "conv2d" for a convolution over two axes.

Names are those of torch's functions (torch.nn.functional), without regard to case and underscores, so that nn.Conv2d's name and
"maxpool2d" mean the same. An operation lists its own: `Operation.name` and `Operation.aliases`.
"""

from __future__ import annotations

_ALIASES = {
    "linear": "matmul",
    "flatten": "reshape",
    **{f"adaptive{kind}pool{rank}d": f"{kind}pool{rank}d" for kind in ("avg", "max") for rank in (1, 2, 3)},
}


def plain(name: str) -> str:
    """Return a name as it is compared: without underscores, in lower case, aliases resolved."""
    bare = name.replace("_", "").replace("-", "").lower()
    return _ALIASES.get(bare, bare)
