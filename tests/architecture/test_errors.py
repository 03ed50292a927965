"""Where exception classes live, and which of them may be raised."""

import ast
import builtins

import composit.errors
from tests.architecture.sources import Module, modules

_HOME = "composit.errors"
# Classes that cannot live there: each with its reason.
_ELSEWHERE = {
    "composit.multidigraph.failures": "they derive from networkx's classes, and networkx is imported only when used",
    "mosaic.lowering.registry": "NoLowering sends a node to numpy; no user ever sees it",
}
# What Python's own protocols and numpy's functions prescribe.
_PRESCRIBED = {
    "AttributeError",
    "BufferError",
    "IndexError",
    "KeyError",
    "OverflowError",
    "StopIteration",
    "TypeError",
    "ValueError",
    "ZeroDivisionError",
}

# Modules that may catch whatever is raised, each with its reason.
_CATCHING = {
    "composit.numpy.tensor.reads": "repr: a debugger shows a value, whatever a function of the user's raises for it"
}

_ROOTS = (Exception, BaseException, object)


def _raised_names(module: Module) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            target = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            found.append((node.lineno, ast.unparse(target).rpartition(".")[2]))
    return found


def _is_exception(name: str) -> bool:
    candidate = getattr(builtins, name, None)
    return isinstance(candidate, type) and issubclass(candidate, BaseException)


def test_every_class_of_errors_derives_from_the_base_and_a_builtin() -> None:
    base = composit.errors.CompositError
    classes = [value for value in vars(composit.errors).values() if isinstance(value, type) and value is not base]
    assert classes
    for found in classes:
        assert issubclass(found, base)
        built_in = [parent for parent in found.__mro__ if parent.__module__ == "builtins" and parent not in _ROOTS]
        assert built_in, f"{found.__name__} fits no built-in exception"
        assert found.__doc__


def test_exception_classes_are_defined_in_one_module() -> None:
    wrong = [
        f"{module.where}:{node.lineno} defines {node.name}"
        for module in modules()
        if module.name != _HOME and module.name not in _ELSEWHERE
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(parent).endswith(("Error", "Exception")) for parent in node.bases)
    ]
    assert not wrong, "\n".join(wrong)


def test_builtin_exceptions_are_raised_only_where_a_protocol_prescribes_them() -> None:
    wrong = [
        f"{module.where}:{line} raises {name}"
        for module in modules()
        for line, name in _raised_names(module)
        if _is_exception(name) and name not in _PRESCRIBED
    ]
    assert not wrong, "\n".join(wrong)


def test_no_handler_catches_everything() -> None:
    wrong = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        if module.name not in _CATCHING
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and not any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
    ]
    assert not wrong, "\n".join(wrong)
