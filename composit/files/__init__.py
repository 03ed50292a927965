"""Graphs as files, which `composit.save` and `composit.load` write and read: JSON and safetensors, no pickle."""

from composit.files.saving import LoadedProgram

__all__ = ["LoadedProgram"]
