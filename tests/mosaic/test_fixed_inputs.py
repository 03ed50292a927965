"""MosaicBackend.prepare_with: a program some of whose inputs are constants."""

from __future__ import annotations

import numpy as np

import composit.numpy as cnp
import mosaic
from composit.program import program_of
from mosaic.algorithms.occurrence import Occurrence


def test_a_program_with_fixed_inputs_takes_the_others() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(8, 64)).astype("float32"), rng.normal(size=(64, 96)).astype("float32")
    lazy_x, lazy_w = cnp.asarray(x), cnp.asarray(w)
    program = program_of([lazy_x @ lazy_w])
    shapes = [program.instructions[position].types[0].shape for position in program.inputs]
    place = program.inputs[shapes.index((64, 96))]
    seen: list[tuple[bool, bool]] = []

    def choose(occurrence: Occurrence) -> str:
        seen.append((occurrence.can("gemm packed once"), occurrence.can("gemv")))
        return "gemm packed once"

    backend = mosaic.MosaicBackend(algorithms={"matmul": choose})
    run = backend.prepare_with(program, {place: w}, ())
    (result,) = run([x])
    np.testing.assert_allclose(result, x @ w, rtol=1e-4, atol=1e-4)
    assert seen == [(True, False)]
    assert "matmul by gemm packed once" in run.explain(program.labels)
    assert "gemm packed once" in backend.algorithms_of("matmul")
    assert backend.algorithms_of("tanh") == ()
