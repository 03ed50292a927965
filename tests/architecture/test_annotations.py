"""What signatures say: `Any` is for values that may be anything, and tensors are LazyTensor."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.sources import Module, modules

# Functions that forward what numpy, a user's function or another library returns, and rules that compute in either
# namespace. A fifth of composit's functions when tensors had no name in annotations.
_MOST_RETURNING_ANY = {"composit": 0.07, "flashlight": 0.05, "mosaic": 0.02}
# Aliases of Any that say what is meant where no type does: a user's function takes and returns containers of any kind.
# An expression returns what numpy's function does: a tensor, or several in tuples and lists.
_NAMED_ANY = {
    "composit/files/values.py Json",
    "composit/nn/transforms.py Container",
    "composit/numpy/calls/expressions.py Expressed",
}


def _is_any(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Name) and node.id == "Any"


def _functions(package: str) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield each function of a package, and what it says that it returns."""
    for module in modules():
        if module.where.partition("/")[0] != package:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module.where}:{node.lineno} {node.name}", node.returns


@pytest.mark.parametrize("package", _MOST_RETURNING_ANY)
def test_few_functions_return_any(package: str) -> None:
    functions = list(_functions(package))
    returning_any = [where for where, returned in functions if _is_any(returned)]
    assert len(returning_any) <= _MOST_RETURNING_ANY[package] * len(functions), "\n".join(returning_any)


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
