"""What signatures say: `Any` is for values that may be anything, and tensors are LazyTensor."""

import ast
from collections.abc import Iterator

from tests.architecture.sources import Module, modules

# Functions that forward what numpy, a user's function or another library returns, and rules that compute in either
# namespace. 535 when tensors had no name in annotations.
_MOST_RETURNING_ANY = 169
# Aliases of Any that say what is meant where no type does: a user's function takes and returns containers of any kind.
_NAMED_ANY = {"composit/nn/transforms.py Container"}
# What the other packages have.
_MOST_ELSEWHERE = 39


def _is_any(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Name) and node.id == "Any"


def _returning_any(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_any(node.returns):
            yield f"{module.where}:{node.lineno} {node.name}"


def test_few_functions_return_any() -> None:
    found = [where for module in modules() for where in _returning_any(module)]
    of_composit = [where for where in found if where.startswith("composit")]
    assert len(of_composit) <= _MOST_RETURNING_ANY, "\n".join(of_composit)
    assert len(found) - len(of_composit) <= _MOST_ELSEWHERE


def _aliases(module: Module) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the names with a capital that a module assigns at its top, and what they stand for."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id[:1].isupper():
                    yield f"{module.where} {target.id}", node.value


def test_no_alias_stands_for_any() -> None:
    aliases = [alias for module in modules() for alias in _aliases(module)]
    assert len(aliases) > 100
    assert {where for where, meaning in aliases if _is_any(meaning)} == _NAMED_ANY
