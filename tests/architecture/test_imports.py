"""The arrows between packages, and the order of modules inside composit."""

import ast
import subprocess
import sys

import pytest

from tests.architecture.sources import ROOT, Import, imports, modules
from tests.sampling import only

_MAY_IMPORT = {
    "composit": {"composit"},
    "flashlight": {"flashlight", "composit"},
    "mosaic": {"mosaic", "composit"},
}
_OURS = set(_MAY_IMPORT)

# Heavy or optional: whoever needs them is imported when used.
_WHEN_USED = {"graphviz", "networkx", "torch", "transformers", "IPython", "matplotlib", "onnx", "jax", "scipy"}
# Modules that derive classes from the library's, and are themselves imported by functions.
_DERIVING = {"composit.multidigraph.failures": {"networkx"}, "composit.pictures.drawing": {"graphviz"}}

# The order of DESIGN 5, from the ground up. A module belongs to the longest prefix that fits it.
_LAYERS = (
    (
        "composit.errors",
        "composit.derivative_types",
        "composit.errstates",
        "composit.exception_handlers",
        "composit.hooks",
        "composit.eager_results",
        "composit.keys",
        "composit.locks",
        "composit.origins",
        "composit.source",
        "composit.read_places",
        "composit.warning_lines",
    ),
    # A picture imports what draws it when it is asked for, so that graphs can offer theirs.
    ("composit.multidigraph", "composit.visualize"),
    (
        "composit.operation",
        "composit.node",
        "composit.value",
        "composit.kept_values",
        "composit.same_values",
        "composit.scalar_nodes",
        "composit.drafts",
    ),
    (
        "composit.storage",
        "composit.handle",
        "composit.labels",
        "composit.apply",
        "composit.program",
        "composit.graph",
        "composit.object_attributes",
        "composit.containers",
        "composit.input_keys",
    ),
    (
        "composit.backends",
        "composit.interpreter",
        "composit.direct",
        "composit.read_spans",
        "composit.guards",
        "composit.evaluation",
        "composit.mixed",
    ),
    ("composit.numpy",),
    ("composit.numpy.tensor.lazy_tensor", "composit.numpy.public_names", "composit.pictures"),
    ("composit.types",),
    ("composit.nn",),
    ("composit.kernels",),
    ("composit.files",),
    ("composit.__main__", "composit"),
)
_PREFIX_TO_LAYER = {prefix: layer for layer, prefixes in enumerate(_LAYERS) for prefix in prefixes}
# composit.numpy's own __init__ gathers the families and the methods; nn computes in it.
_PACKAGE_TO_LAYER = {"composit.numpy": _PREFIX_TO_LAYER["composit.numpy.tensor.lazy_tensor"]}


def _package(name: str) -> str:
    return name.partition(".")[0]


def _layer(name: str) -> int:
    if name in _PACKAGE_TO_LAYER:
        return _PACKAGE_TO_LAYER[name]
    prefix = name
    while prefix not in _PREFIX_TO_LAYER:
        prefix = prefix.rpartition(".")[0]
    layer = _PREFIX_TO_LAYER[prefix]
    if prefix == "composit" and name != "composit":
        pytest.fail(f"{name} has no place in the order of imports; give it one in _LAYERS")
    return layer


def _shown(found: list[Import]) -> str:
    return "\n".join(map(str, found))


def test_packages_import_only_what_lies_below_them() -> None:
    wrong = [
        found
        for found in imports()
        if _package(found.target) in _OURS and _package(found.target) not in _MAY_IMPORT[_package(found.importer.name)]
    ]
    assert not wrong, _shown(wrong)


def test_modules_of_composit_import_only_their_own_layer_and_those_below() -> None:
    wrong = [
        found
        for found in imports()
        if _package(found.importer.name) == _package(found.target) == "composit"
        and not found.is_late
        and not found.is_typing
        and _layer(found.target) > _layer(found.importer.name)
    ]
    assert not wrong, _shown(wrong)


def test_a_star_import_stands_only_where_names_are_gathered() -> None:
    packages = (
        "composit",
        "composit/numpy",
        "composit/nn",
        "composit/nn/operations",
        "composit/nn/layers",
        "composit/nn/losses",
    )
    gathering = {"composit/numpy/public_names.py", *(f"{package}/__init__.py" for package in packages)}
    wrong = [
        module.where
        for module in modules()
        if "import *" in module.text
        and module.where not in gathering
        and any(
            line.strip().startswith("from ") and line.rstrip().endswith("import *") for line in module.text.splitlines()
        )
    ]
    assert not wrong


# composit.nn imports composit and composit.numpy, which are alone in the slow run.
@pytest.mark.parametrize(
    "name",
    only(
        ["composit.multidigraph", "composit.nn", "mosaic"],
        ["composit", "composit.multidigraph", "composit.numpy", "composit.nn", "composit.types", "mosaic"],
    ),
)
def test_importing_loads_none_of_the_heavy_libraries(name: str) -> None:
    loaded = _modules_after(f"import {name}")
    assert not loaded & _WHEN_USED


def _modules_after(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(finished.stdout.split())


def test_headers_leave_the_order_of_imports_to_one_page() -> None:
    # docs/architecture.md has it, and tests read it there; lists in headers drifted.
    assert [
        module.where for module in modules() if "May import" in " ".join((ast.get_docstring(module.tree) or "").split())
    ] == []
