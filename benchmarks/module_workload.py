"""A torch module with inputs, as every contender that takes torch modules gets it; its ONNX file, and what is right.

The suites `models`, `kernels` and `convolutions` define their workloads so, and share the contenders of
`benchmarks/module_contenders`.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from benchmarks.contender import skip

Arrays = Sequence[np.ndarray[Any, np.dtype[Any]]]
Built = tuple[nn.Module, tuple[torch.Tensor, ...]]


class ModuleWorkload(Protocol):
    """A module with inputs, made anew in every process from the same seed."""

    @property
    def num_threads(self) -> int:
        """How many threads a contender may use."""

    @property
    def onnx_path(self) -> Path | None:
        """Where the exported module lies, if it was exported."""

    def exported(self, path: Path | None) -> ModuleWorkload:
        """Return the same workload with the path of its exported module."""

    def built(self) -> Built:
        """Return the module in evaluation mode and its inputs; torch has as many threads as we are given."""


def arrays_of(output: Any) -> Arrays:
    """Return a module's outputs, a tensor or a tuple of them, as arrays in torch's memory."""
    return [each.numpy() for each in (output if isinstance(output, tuple) else (output,))]


def expected_outputs(workload: ModuleWorkload) -> Arrays:
    """Return the outputs that torch computes in float64."""
    module, inputs = workload.built()
    wide = [each.double() if each.is_floating_point() else each for each in inputs]
    with torch.inference_mode():
        return arrays_of(copy.deepcopy(module).double()(*wide))


def export_onnx(workload: ModuleWorkload, path: Path) -> Path | None:
    """Write the exported module, with inputs `in0`, `in1` ... and outputs `out0` ...; None where torch cannot export it."""
    module, inputs = workload.built()
    with torch.inference_mode():
        num_outputs = len(arrays_of(module(*inputs)))
    input_names = [f"in{number}" for number in range(len(inputs))]
    output_names = [f"out{number}" for number in range(num_outputs)]
    # The exporter reports its progress on the screen and warns about its own deprecations.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            torch.onnx.export(
                module,
                inputs,
                str(path),
                dynamo=True,
                verbose=False,
                input_names=input_names,
                output_names=output_names,
            )
        except (torch.onnx.OnnxExporterError, ModuleNotFoundError):
            return None
    return path


def onnx_of(workload: ModuleWorkload) -> Path:
    """Return the path of the workload's ONNX file.

    Raises: SkipContender: there is none
    """
    return workload.onnx_path or skip("torch cannot export the module to ONNX, or onnxscript is not installed")
