"""Runs graphviz's program `dot`, writes files, and shows pictures in notebooks.

No viewer is ever opened, and nothing is written but the file that was asked for.
"""

from pathlib import Path
from typing import Any

import graphviz

from composit.errors import DrawingError, ParameterError
from composit.source import warn_user

FORMATS = ("svg", "png", "pdf", "dot")
LARGEST_SVG_BYTES = 2_000_000  # notebooks store the pictures they show, and browsers are slow with larger ones

HOW_TO_GET_DOT = (
    "the program `dot` of graphviz is not installed or not on PATH; install it by `apt-get install graphviz`, "
    "`brew install graphviz` or `conda install graphviz`"
)


class Picture(graphviz.Digraph):  # type: ignore[misc]  # graphviz's types are not followed
    """A graphviz.Digraph that notebooks show if its SVG is not too large; as dot source if `dot` is missing."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **kwargs: Any) -> dict[str, str]:
        """The SVG; if there is none, the reason, and the dot source if `dot` is missing."""
        try:
            svg = self.pipe(format="svg", encoding="utf-8", quiet=True)
        except graphviz.ExecutableNotFound:
            return {"text/plain": f"{HOW_TO_GET_DOT}. The picture in the language of dot:\n{self._bounded_source()}"}
        if len(svg) > LARGEST_SVG_BYTES:
            return {
                "text/plain": f"The picture is larger ({len(svg)} bytes of SVG) than a notebook should keep "
                f"({LARGEST_SVG_BYTES}); draw less by fold=True, depth=1 or max_nodes, or write it to a file"
            }
        return {"image/svg+xml": svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<Picture {self.name}: {len(self.source.splitlines())} lines of dot>"

    def _bounded_source(self) -> str:
        source: str = self.source
        return source if len(source) <= LARGEST_SVG_BYTES else source[:LARGEST_SVG_BYTES] + "\n…"


def output_path(filename: str | Path | None, picture_format: str | None) -> tuple[Path | None, str]:
    """The file to write, or None, and the format: `picture_format`, else the file's suffix, else svg.

    Raises:      ParameterError: an unknown format
    """
    path = None if filename is None else Path(filename)
    suffix = "" if path is None else path.suffix[1:].lower().replace("gv", "dot")
    chosen = picture_format or (suffix if suffix in FORMATS else "svg")
    if chosen not in FORMATS or (picture_format is None and suffix not in ("", *FORMATS)):
        asked = picture_format or f".{suffix}"
        raise ParameterError(
            f"visualize: the format {asked!r} of {str(filename)!r} is not written; expected one of "
            f"{', '.join(FORMATS)}; give format='svg' or a file name with one of these suffixes"
        )
    if path is not None and suffix != chosen:
        path = path.with_name(f"{path.name}.{chosen}")
    return path, chosen


def draw(picture: Picture, path: Path | None, picture_format: str) -> None:
    """Lays the picture out and writes it to `path`; without a path it only checks that graphviz can draw it.

    If `dot` is missing, it warns and writes the dot source instead, with the suffix `.dot`.
    """
    if picture_format == "dot":
        if path is not None:
            path.write_text(picture.source, encoding="utf-8")
        return
    try:
        drawn = picture.pipe(format=picture_format, quiet=True)
    except graphviz.ExecutableNotFound:
        _draw_without_dot(picture, path)
        return
    except graphviz.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        raise DrawingError(
            f"visualize: {' '.join(map(str, error.cmd))} ended with {error.returncode}: {said or 'no message'}; "
            "expected graphviz 2.40 or later, render=False returns the picture's source without drawing it"
        ) from error
    if path is not None:
        path.write_bytes(drawn)


def _draw_without_dot(picture: Picture, path: Path | None) -> None:
    instead = "its source in the language of dot is the returned object's `.source`"
    if path is not None:
        source_path = path.with_suffix(".dot")
        source_path.write_text(picture.source, encoding="utf-8")
        instead = f"its source in the language of dot was written to {source_path}"
    warn_user(f"visualize: the picture was not drawn, because {HOW_TO_GET_DOT}; {instead}", UserWarning)
