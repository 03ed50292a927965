"""The upper level of the cache: a program that was compiled before is found again without passes and compiler.

The key is all that the C text and the description depend on: the structure of the program with its types and scalars,
which instructions are inputs, which are known beforehand (but not their values: those go to the block of constants,
never into the text), the options, the compiler with its arguments, and the sources of composit and mosaic.
"""

from __future__ import annotations

from composit.errors import CompileError, CompilerNotFoundError
from composit.nn.core import UserFunction
from composit.operation import Operation
from composit.program import Program
from mosaic.compiled import CompiledProgram
from mosaic.compiled_json import can_be_stored, from_json, to_json
from mosaic.lowering.registry import lower
from mosaic.passes.pipeline import Report, Request, compile_program
from mosaic.runtime.abi import ABI_VERSION
from mosaic.runtime.cache import content_key, open_cache
from mosaic.runtime.compilation import compile_and_load, compiler_arguments
from mosaic.runtime.compiler import find_compiler
from mosaic.runtime.fingerprint import installation_digest
from mosaic.runtime.library import Library, load_library


def compile_and_link(request: Request, report: Report) -> tuple[CompiledProgram, Library | None]:
    """Return the compiled program and its loaded library: from the cache, or compiled and put there.

    A program that numpy runs alone has no library.

    Raises: CompilerNotFoundError, CompileError: as `compile_library`
    """
    key = program_key(request)
    found = None if key is None else _find(key)
    if found is not None:
        return found
    compiled = compile_program(request, report)
    if not compiled.regions:
        return compiled, None
    report("compile C", 0.3)
    library = compile_and_load(compiled.source, target=request.options.target)
    if key is not None and can_be_stored(compiled):
        open_cache().publish_program(key, to_json(compiled), library.path, compiled.source)
    return compiled, library


def program_key(request: Request) -> bytes | None:
    """Return the name under which the compiled program is stored; None if no other process could ask for it."""
    program, options = request.program, request.options
    if not all(_is_known_by_name(instruction.operation) for instruction in program.instructions):
        return None
    try:
        compiler = find_compiler()
    except CompilerNotFoundError:
        return None
    known = [(position, array.shape, array.dtype) for position, array in sorted(request.known.items())]
    words = [repr(options), repr(request.inputs), repr(known), compiler.identity, str(ABI_VERSION)]
    arguments = compiler_arguments(compiler, options.target)
    texts = (each.encode() for each in (*words, *arguments))
    return content_key(installation_digest(), program.digest, _types(program), *texts)


def _is_known_by_name(operation: Operation) -> bool:
    """Whether operation and lowering are our own: others are equal only to themselves, or not part of the sources."""
    meaning, lowering = type(operation).__module__, lower.dispatch(type(operation)).__module__
    is_own = meaning.partition(".")[0] == "composit" and lowering.partition(".")[0] == "mosaic"
    return is_own and not isinstance(operation, UserFunction)


def _types(program: Program) -> bytes:
    types = [value_type for instruction in program.instructions for value_type in instruction.types]
    keys = {value_type: value_type.key() for value_type in dict.fromkeys(types)}
    return content_key(*(keys[value_type] for value_type in types))


def _find(key: bytes) -> tuple[CompiledProgram, Library] | None:
    cache = open_cache()
    stored = cache.lookup_program(key)
    if stored is None:
        return None
    try:
        return from_json(stored.description, stored.source), load_library(stored.library)
    except (CompileError, ValueError, KeyError, IndexError, TypeError):
        cache.discard(stored.library)  # evicted since it was found, or written by something else
        return None
