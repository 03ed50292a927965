"""Modules that need a function of a higher one get it from `composit/hooks.py`, and by no other way."""

import ast
from collections.abc import Iterator

from tests.architecture.sources import Module, imports, modules


def _imported_names(module: Module) -> set[str]:
    return {
        (alias.asname or alias.name).partition(".")[0]
        for statement in module.tree.body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for alias in statement.names
    }


def _targets(statement: ast.stmt) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else []


def _attributes_set_on_imports(module: Module) -> Iterator[str]:
    names = _imported_names(module)
    for statement in module.tree.body:
        for target in _targets(statement):
            if isinstance(target, ast.Attribute) and ast.unparse(target).partition(".")[0] in names:
                yield f"{module.where}:{statement.lineno} sets {ast.unparse(target)}"


def test_no_module_sets_attributes_of_another_when_it_is_imported() -> None:
    wrong = [found for module in modules() for found in _attributes_set_on_imports(module)]
    assert not wrong, "\n".join(wrong)


def test_no_module_keeps_a_list_of_functions_for_others_to_fill() -> None:
    wrong = [
        f"{module.where}:{statement.lineno} {ast.unparse(statement)}"
        for module in modules()
        for statement in module.tree.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.value, ast.List)
        and ast.unparse(statement.annotation).startswith(("list[Callable", "list[Call]", "list[type["))
    ]
    assert not wrong, "\n".join(wrong)


def test_hooks_are_set_in_one_place() -> None:
    setting = [
        module.name
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "set_once"
    ]
    assert setting == ["composit.numpy"]
    used = {found.importer.name for found in imports() if found.target == "composit.hooks"}
    assert len(used) > 6


def _counted_depths(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        numbers = [each.value for each in node.args if isinstance(each, ast.Constant) and type(each.value) is int]
        # 1 is the caller, which needs no counting.
        if (name in {"find_source", "find_sources", "source_at", "note_place", "is_caught"} and numbers) or (
            name == "_getframe" and numbers != [1]
        ):
            yield f"{module.where}:{node.lineno} {ast.unparse(node)}"


def test_who_asks_for_the_users_line_counts_no_frames() -> None:
    found = [where for module in modules() for where in _counted_depths(module)]
    # A graph's public methods that change something share what refuses networkx's code.
    assert [where.partition(":")[0] for where in found] == ["composit/multidigraph/graph.py"], "\n".join(found)


def test_warnings_of_a_call_find_the_users_line_without_a_counted_level() -> None:
    found = [
        f"{module.where}:{node.lineno} stacklevel={keyword.value.value}"
        for module in modules()
        if module.name.startswith(("composit", "flashlight"))
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "stacklevel" and isinstance(keyword.value, ast.Constant) and keyword.value.value != 1
    ]
    assert not found
