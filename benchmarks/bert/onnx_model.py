"""The ONNX file of a workload's model, exported once per process."""

import atexit
import contextlib
import io
import logging
import tempfile
import warnings
from functools import cache
from pathlib import Path

import torch

from benchmarks.bert.workload import Workload


@cache
def _folder() -> Path:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


def onnx_path(workload: Workload) -> Path:
    """Where the exported model of this workload lies."""
    path = _folder() / f"batch_{workload.batch}.onnx"
    if not path.exists():
        # The exporter reports its progress on the screen and warns about its own deprecations.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            torch.onnx.export(workload.model, (torch.from_numpy(workload.input_ids),), str(path), dynamo=True)
    return path
