"""The upper level of the cache: finds programs that were compiled before, without passes or compiler.

The key contains all that the C text depends on: the program's structure with types and scalars, which instructions are
inputs and which are constant (not their values, which are never in the text), the options, the sources of composit and
mosaic, and the compiler with its arguments. Without a compiler, a program of any compiler is taken.
"""

from __future__ import annotations

import contextlib

from composit.errors import CodeStorageError, CompileError, CompilerNotFoundError
from composit.nn.core import UserFunction
from composit.operation import Operation
from composit.program import Program
from mosaic.algorithms.registry import is_own
from mosaic.compiled import CompiledProgram
from mosaic.compiled_json import can_be_stored, from_json, to_json
from mosaic.lowering.registry import lower
from mosaic.passes.pipeline import Report, Request, compile_program
from mosaic.runtime.abi import ABI_VERSION, RUN_SYMBOL
from mosaic.runtime.cache import Key, content_key, open_caches
from mosaic.runtime.compilation import compile_and_load, compiler_arguments, maker_digest
from mosaic.runtime.compiler import find_compiler
from mosaic.runtime.fingerprint import installation_digest
from mosaic.runtime.library import Library, load_library
from mosaic.targets import Target


def compile_and_link(request: Request, report: Report) -> tuple[CompiledProgram, Library | None, str]:
    """Return the compiled program, its loaded library, and whether they were found in the cache or compiled.

    A program that numpy runs alone has no library.

    Raises: CompilerNotFoundError, CodeStorageError, CompileError: as `compile_and_load`
    """
    key = program_key(request)
    found = None if key is None else _find(key)
    if found is not None:
        return *found, "found in the cache"
    compiled = compile_program(request, report)
    if not compiled.regions:
        return compiled, None, "left to numpy"
    report("compile C", 0.3)
    said: list[str] = []  # the compiler says something only if it runs
    library = compile_and_load(compiled.source, target=request.options.target, progress=said.append)
    if key is not None and key.maker is not None and can_be_stored(compiled):
        with contextlib.suppress(OSError):  # a full disk: next time only the library may be found
            open_caches()[-1].publish_program(key, to_json(compiled), library.path, compiled.source)
    return compiled, library, "compiled" if said else "C found in the cache"


def program_key(request: Request) -> Key | None:
    """Return the name under which the compiled program is stored; None if no other process could ask for it."""
    program, options = request.program, request.options
    if not all(_is_known_by_name(instruction.operation) for instruction in program.instructions):
        return None
    if not all(is_own(choice.algorithm) for choice in request.choices):
        return None
    known = [(position, array.shape, array.dtype) for position, array in sorted(request.known.items())]
    chosen = [(*choice.occurrence.key, choice.algorithm.name) for choice in request.choices]
    words = [repr(options), repr(chosen), repr(request.inputs), repr(known), str(ABI_VERSION)]
    texts = (each.encode() for each in words)
    return Key(content_key(installation_digest(), program.digest, _types(program), *texts), _maker(options.target))


def _maker(target: Target) -> bytes | None:
    try:
        compiler = find_compiler()
    except CompilerNotFoundError:
        return None
    return maker_digest(compiler, compiler_arguments(compiler, target))


def _is_known_by_name(operation: Operation) -> bool:
    """Whether operation and lowering are our own: others are equal only to themselves, or not part of the sources."""
    meaning, lowering = type(operation).__module__, lower.dispatch(type(operation)).__module__
    is_own = meaning.partition(".")[0] == "composit" and lowering.partition(".")[0] == "mosaic"
    return is_own and not isinstance(operation, UserFunction)


def _types(program: Program) -> bytes:
    types = [value_type for instruction in program.instructions for value_type in instruction.types]
    keys = {value_type: value_type.key() for value_type in dict.fromkeys(types)}
    return content_key(*(keys[value_type] for value_type in types))


def _find(key: Key) -> tuple[CompiledProgram, Library] | None:
    for cache in open_caches():
        for stored in cache.programs(key):
            try:
                compiled = from_json(stored.description, stored.source)
                return compiled, load_library(stored.library, (RUN_SYMBOL,))
            except CodeStorageError:
                raise
            except (CompileError, ValueError, KeyError, IndexError, TypeError):
                cache.discard(stored.library)  # evicted since it was found, or written by something else
    return None
