"""The sources of the three packages as syntax trees, and what they import."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("composit", "flashlight", "mosaic")


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def where(self) -> str:
        """The path from the repository's root, for messages."""
        return str(self.path.relative_to(ROOT))


@dataclass(frozen=True)
class Import:
    """One imported module; a late one stands inside a function, a typing one under `if TYPE_CHECKING`."""

    importer: Module
    target: str
    line: int
    is_late: bool
    is_typing: bool

    def __str__(self) -> str:
        return f"{self.importer.where}:{self.line} imports {self.target}"


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the three packages."""
    return tuple(_read(path) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


def _read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = path.read_text()
    return Module(name, path, text, ast.parse(text))


@cache
def imports() -> tuple[Import, ...]:
    """Every import of every module."""
    return tuple(found for module in modules() for found in _imports_of(module, module.tree, False, False))


def _imports_of(module: Module, node: ast.AST, is_late: bool, is_typing: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, child.lineno, is_late, is_typing)
        elif isinstance(child, ast.ImportFrom):
            for target in _targets(module, child):
                yield Import(module, target, child.lineno, is_late, is_typing)
        else:
            late = is_late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing = is_typing or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
            yield from _imports_of(module, child, late, typing)


def _targets(module: Module, node: ast.ImportFrom) -> list[str]:
    """`from composit import keys` imports composit.keys where that is a module, else composit."""
    base = node.module or ""
    if node.level:
        package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
        stem = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*stem, *([node.module] if node.module else [])])
    submodules = [f"{base}.{alias.name}" for alias in node.names if _is_module(f"{base}.{alias.name}")]
    return submodules if len(submodules) == len(node.names) else [base, *submodules]


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
