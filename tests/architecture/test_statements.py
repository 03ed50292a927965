"""mosaic asks a statement questions, or dispatches on its class; few places ask whether it is of a kind."""

import ast
from collections.abc import Iterator

import mosaic.ir.statements
from mosaic.ir.kinds import Kind
from tests.architecture.sources import Module, modules

# Besides the kinds, the steps that statements become: they are told apart from islands, which stay as they are.
_STEPS = {"Region", "CompiledRegion"}

# Where a list of mixed statements is looked through for those of one kind, and how often. A new kind needs no change there:
# what is none of these is passed over.
_KNOWN = {
    "mosaic/compiled.py": 2,  # regions and islands among steps
    "mosaic/executable.py": 1,  # the same, at each run, where dispatch would cost a microsecond
    "mosaic/ir/kinds.py": 1,  # of_kind
    "mosaic/ir/statements.py": 4,  # row stages and products of a group, groups of a program
    "mosaic/passes/choose_output_layouts.py": 1,  # definitions
    "mosaic/passes/fuse_epilogues.py": 1,  # products
    "mosaic/passes/fuse_rows.py": 1,  # definitions
    "mosaic/passes/inline_elementwise.py": 1,  # definitions
    "mosaic/passes/loop_groups.py": 1,  # definitions
    "mosaic/passes/remove_fences.py": 1,  # fences
    "mosaic/passes/split_regions.py": 3,  # runs of groups, islands; regions among steps
}


def _kinds() -> set[str]:
    known = [Kind, *Kind.__subclasses__()]
    return {each.__name__ for each in known if each.__module__.startswith(mosaic.ir.__name__)} | _STEPS


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} | {
        part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)
    }


def _questions(module: Module) -> Iterator[int]:
    """Yield the lines that ask for a kind: isinstance, of_kind, issubclass, `type(x) is`, patterns of match."""
    kinds = _kinds()
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, classes]) if _names(classes) & kinds:
                yield node.lineno
            case ast.Call(func=ast.Name(id="of_kind")) | ast.FunctionDef(name="of_kind"):
                yield node.lineno
            case ast.Compare(comparators=classes) if any(_names(each) & kinds for each in classes):
                yield node.lineno
            case ast.MatchClass(cls=pattern) if _names(pattern) & kinds:
                yield pattern.lineno


def test_few_places_ask_for_the_kind_of_a_statement() -> None:
    found = {module.where: sorted(set(_questions(module))) for module in modules() if module.name.startswith("mosaic")}
    assert {where: len(lines) for where, lines in found.items() if lines} == _KNOWN
    assert sum(_KNOWN.values()) < 20


def test_questions_of_each_form_are_found() -> None:
    text = (
        "isinstance(x, Loop)\nisinstance(x, int | ir.Loop)\nof_kind(Loop, xs)\ntype(x) is Loop\n"
        "match x:\n    case Loop():\n        pass\nisinstance(x, int)\nx is y"
    )
    found = Module("example", modules()[0].path, text, ast.parse(text))
    assert sorted(_questions(found)) == [1, 2, 3, 4, 6]
