"""`mosaic.compile` and `stages`; and `CompiledModel`, a function in machine code with its reports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np

from composit.containers import Rebuild, flatten
from composit.evaluation import reads_checked_first
from composit.guards import Guard, check_guards
from composit.operation import Array, TensorType
from composit.source import describe_source
from composit.value import Value, value_of
from mosaic.algorithms.chosen import ChosenAlgorithms, settled
from mosaic.algorithms.precisions import target_for
from mosaic.executable import Executable, program_signature, with_scalars
from mosaic.passes.pipeline import Options, compile_program
from mosaic.passes.stages import Stage
from mosaic.report import (
    BufferReport,
    KernelRecord,
    ProfileReport,
    buffer_report,
    explain,
    kernel_records,
    profile_report,
)
from mosaic.requests import check_guards_word, given_tensors, request_for
from mosaic.runtime.arguments import adapt_inputs, check_outputs
from mosaic.runtime.heap import return_freed_heap
from mosaic.runtime.threads import checked_num_threads, num_available_cores
from mosaic.targets import Target, check_runs_here, get_target
from mosaic.without_compiler import InterpretedExecutable, build

Progress = Callable[[str, float], None]
_MARK = object()


@dataclass(frozen=True, slots=True, eq=False)
class CompiledModel:
    """A compiled function of arrays. Calls may come from several threads at once; results share memory with nothing.

    It is pickled as its C text and its constants, for machines that can run code for its target.
    """

    _executable: Executable | InterpretedExecutable
    _rebuild: Rebuild
    _returned: Rebuild  # as _rebuild, for fresh arrays: scalars where numpy has scalars
    _num_outputs: int
    _guards: tuple[Guard, ...]
    _inputs: tuple[Value, ...]  # only where there are guards: they hold the graph too
    options: Options
    num_threads: int
    algorithms: ChosenAlgorithms
    _run_single: Callable[[Sequence[Any]], Any] | None = field(init=False)  # where a call is nothing but that

    def __post_init__(self) -> None:
        is_bare = self._num_outputs == 1 and not self._guards and self._rebuild([_MARK]) is _MARK
        object.__setattr__(self, "_run_single", self._executable.run_single if is_bare else None)

    def __call__(self, *arrays: Any, out: Array | Sequence[Array] | None = None) -> Any:
        """Return the outputs for arrays given in the order of `inputs`, in the containers they were compiled in.

        They are scalars where `evaluate` gives scalars, as a sum of all elements.

        out: arrays to fill, one per output in order; for a single output, the array itself will do

        Raises: ShapeError, DtypeError: an array is not of the type compiled for; GuardError: Python would have taken
                another path; TypeError: the wrong number of arrays
        """
        if out is None and self._run_single is not None:
            return self._run_single(arrays)
        if self._guards or out is not None:
            return self._checked_call(
                arrays, out if out is None or isinstance(out, tuple | list) else [cast(Array, out)]
            )
        return self._returned(self._executable.run(arrays))

    def _checked_call(self, arrays: Sequence[Any], out: Sequence[Array] | None) -> Any:
        executable = self._executable
        if out is not None and not self._guards:
            return self._rebuild(executable.run(arrays, out))
        # Check the arguments before the guards, which compute with them.
        given = adapt_inputs(program_signature(executable.program, executable.compiled.input_positions), arrays)
        if out is not None:
            check_outputs(executable.output_types[: self._num_outputs], out)
        with reads_checked_first(self._guards, self._inputs, given):
            values = executable.run(given)
        check_guards(self._guards, values[self._num_outputs :])
        results = values[: self._num_outputs]
        if out is None:
            return self._returned(results)
        # Only now, so that `out` is untouched if a guard fails.
        for place, result in zip(out, results, strict=True):
            np.copyto(place, result)
        return self._rebuild(list(out))

    def __reduce__(self) -> tuple[type[CompiledModel], tuple[object, ...]]:
        if self._guards:
            raise TypeError(
                f"pickle: {self!r} checks values that Python read while its graph was built, which are checked with the graph;"
                " expected a model without such reads; compile with guards='ignore', or pickle the tensors and compile"
                f" where they are loaded. The first read:\n  {describe_source(self._guards[0].source)}"
            )
        parts = (self._executable, self._rebuild, self._returned, self._num_outputs, (), (), self.options)
        return CompiledModel, (*parts, self.num_threads, self.algorithms)

    def __repr__(self) -> str:
        types = self._executable.output_types[: self._num_outputs]
        return (
            f"<CompiledModel: {len(self._executable.compiled.inputs)} inputs -> {', '.join(map(str, types))}; "
            f"{len(self.kernels)} kernels for {self.options.target.name}, {self.num_threads} threads>"
        )

    @property
    def source(self) -> str:
        """The C that was compiled."""
        return self._executable.compiled.source

    @property
    def kernels(self) -> tuple[KernelRecord, ...]:
        """What each kernel computes, in the order in which they run."""
        return kernel_records(self._executable)

    @property
    def buffers(self) -> BufferReport:
        """How much memory a call needs besides its inputs, outputs and constants."""
        return buffer_report(self._executable)

    def explain(self) -> str:
        """The kernel that computes each node, or why none does; the algorithms of nodes, and what is known of the others.

        The times of an operation's algorithms are known where "measured" chose, and after `profile`.
        """
        return explain(self._executable, self.algorithms)

    def profile(
        self, *arrays: Any, repeat: int = 10, candidates: bool = True, progress: Progress | bool | None = None
    ) -> ProfileReport:
        """Time per kernel over some runs, with its rates of arithmetic and memory traffic.

        candidates: also time the other algorithms of each operation, each compiled alone, for `explain`; their times are kept in
                    the cache, so that only the first time takes long
        progress:   called with a stage and a fraction while these are timed, or True for a line on the error stream
        """
        report = profile_report(self._executable, arrays, repeat)
        if candidates:
            self.algorithms.measure(_progress(progress))
        return report


def compile(
    outputs: Any,
    inputs: Sequence[Any],
    *,
    num_threads: int | None = None,
    tile_scheme: Any = None,
    reuse_buffers: bool = True,
    fuse: bool = True,
    target: str | Target | None = None,
    guards: str = "check",
    progress: Progress | bool | None = None,
    algorithms: Any = None,
    precision: str = "float32",
) -> CompiledModel:
    """Return `outputs` as a function of `inputs` in machine code; everything else they depend on is constant.

    outputs:     a tensor or a container of tensors; tensors of other libraries that carry a lazy tensor count
    inputs:      the tensors whose values a call gives, in order: leaves, names of leaves, or values in between
    num_threads: at most so many; None is one per core. The results do not depend on it
    tile_scheme: tiles per tensor, where the automatic choice should not be taken (see mosaic.TileLevel)
    fuse:        False makes one kernel per node
    target:      a name such as "x86-64-v3"; None is this machine
    guards:      "check" compares values that Python read while the graph was built, "ignore" does not
    progress:    called with a stage and a fraction, or True for a line on the error stream
    algorithms:  which algorithm computes what, where that should not be the default: by operation, path of a module or scope, or
                 tensor, as in {"conv2d": "winograd", "layer1.*": "direct"}; "guess", "measured"; or a file of choices
    precision:   "bfloat16" rounds the operands of products of float32 matrices to bfloat16, with float32 sums, where the processor
                 has instructions for that; "float32" never does

    Raises:      UnreachedInputError: no output depends on an input; CompileError; ParameterError
                 UnsupportedAlgorithmError: an algorithm cannot take the shapes it was asked for
    Example:
        >>> import composit.numpy as cnp, mosaic
        >>> x = cnp.ones((2,), dtype="float32")
        >>> mosaic.compile(x + 1, inputs=[x])(np.zeros(2, "float32"))
        array([1., 1.], dtype=float32)
    """
    check_guards_word("compile", guards)
    threads = num_available_cores() if num_threads is None else checked_num_threads(num_threads)
    report = _progress(progress)
    handles, rebuild = flatten(outputs)
    given = given_tensors("compile", outputs, handles, inputs)
    options = Options(target_for(precision, get_target(target)), fuse, reuse_buffers, as_numpy=True)
    check_runs_here(options.target)
    report("simplify", 0.0)
    request, checked = request_for(handles, given, options, tile_scheme, guards, algorithms, threads)
    executable = build(request, threads, report)
    return_freed_heap()  # what capturing and compiling needed for a while: 12 MiB of BERT-base's
    report("done", 1.0)
    cuts = tuple(map(value_of, given)) if checked else ()
    returned = _rebuild_with_scalars(rebuild, [handle.type for handle in handles])
    choices = settled(request.choices, request.program, executable.compiled)
    chosen = ChosenAlgorithms(choices, options.target, threads)
    return CompiledModel(executable, rebuild, returned, len(handles), tuple(checked), cuts, options, threads, chosen)


def _rebuild_with_scalars(rebuild: Rebuild, types: Sequence[TensorType]) -> Rebuild:
    """Return the function unchanged if no output is a scalar, so that other calls pay nothing for scalars."""
    if not any(each.is_scalar for each in types):
        return rebuild
    # No closure: it is pickled with the model.
    return partial(_rebuilt_with_scalars, rebuild, types)


def _rebuilt_with_scalars(rebuild: Rebuild, types: Sequence[TensorType], arrays: Sequence[Any]) -> Any:
    return rebuild(with_scalars(arrays, types))


def stages(
    outputs: Any,
    inputs: Sequence[Any],
    *,
    tile_scheme: Any = None,
    fuse: bool = True,
    target: str | Target | None = None,
    algorithms: Any = None,
) -> tuple[Stage, ...]:
    """Return what each pass makes of the program, in order: the name of the pass and the text of the program after it.

    The passes are those of `mosaic.compile` with the same arguments; nothing is compiled or run. The last stage is C.

    Raises:  UnreachedInputError: no output depends on an input; ParameterError
    Example:
        >>> import composit.numpy as cnp, mosaic
        >>> x = cnp.ones((2,), dtype="float32")
        >>> print(mosaic.stages(cnp.exp(x) + 1, inputs=[x])[1])
        # lower_program
        temporary_0[2] = exp(input_0[2])
        temporary_1[2] = add(temporary_0[2], 1.0)
        return temporary_1[2]
    """
    options = Options(get_target(target), fuse, as_numpy=True)
    handles = flatten(outputs)[0]
    given = given_tensors("stages", outputs, handles, inputs)
    request, _ = request_for(handles, given, options, tile_scheme, "ignore", algorithms)
    seen: list[Stage] = []
    compile_program(request, _say_nothing, lambda name, program: seen.append(Stage(name, str(program))))
    return tuple(seen)


def _progress(progress: Progress | bool | None) -> Progress:
    if callable(progress):
        return progress
    return _show_line if progress else _say_nothing


def _say_nothing(stage: str, fraction: float) -> None:
    """No progress is shown."""


def _show_line(stage: str, fraction: float) -> None:
    """Rewrite one line of the error stream; the last one stays."""
    bar = "#" * round(fraction * 20)
    end = "\n" if fraction >= 1.0 else ""
    print(f"\rmosaic [{bar:<20}] {stage:<24}", end=end, file=sys.stderr, flush=True)
