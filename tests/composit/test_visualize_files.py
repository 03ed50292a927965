"""Pictures and the world: files, notebooks, and machines without the program dot."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from composit import multidigraph
from composit.errors import ParameterError
from composit.pictures import drawing
from composit.visualize import visualize, visualize_graph
from tests.composit.drawn import array, op

FIRST_BYTES = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph"}


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "empty"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


@pytest.fixture
def tensor() -> Any:
    return op("exp", array("x"))


@pytest.mark.parametrize("picture_format", ["svg", "png", "pdf", "dot"])
def test_the_file_asked_for_is_written_and_no_other(
    tensor: Any, empty_directory: Path, dot_program: str, picture_format: str
) -> None:
    visualize(tensor, filename=f"one.{picture_format}")
    visualize(tensor, filename=Path("two"), format=picture_format)
    assert sorted(os.listdir()) == [f"one.{picture_format}", f"two.{picture_format}"]
    for path in empty_directory.iterdir():
        assert path.read_bytes().startswith(FIRST_BYTES[picture_format])


def test_a_file_without_suffix_becomes_svg(tensor: Any, empty_directory: Path, dot_program: str) -> None:
    visualize_graph(tensor.graph, filename="picture")
    assert os.listdir() == ["picture.svg"]


@pytest.mark.parametrize("render", [True, False])
def test_no_file_is_left_where_none_was_asked_for(
    tensor: Any, empty_directory: Path, dot_program: str, render: bool
) -> None:
    visualize(tensor, render=render)._repr_mimebundle_()
    assert os.listdir() == []


def test_a_notebook_gets_the_svg(tensor: Any, dot_program: str) -> None:
    bundle = visualize(tensor)._repr_mimebundle_()
    assert "<svg" in bundle["image/svg+xml"]
    assert bundle["text/plain"].startswith("<Picture composit: ")


def test_a_notebook_does_not_get_a_picture_that_is_too_large(
    tensor: Any, dot_program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "LARGEST_SVG_BYTES", 10)
    bundle = visualize(tensor)._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "fold=True" in bundle["text/plain"]


def test_without_dot_a_notebook_gets_the_reason_and_the_source(tensor: Any, no_dot: None) -> None:
    bundle = visualize(tensor, render=False)._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "apt-get install graphviz" in bundle["text/plain"]
    assert "<b>exp</b>" in bundle["text/plain"]


def test_without_dot_a_warning_says_so_and_the_source_is_returned(
    tensor: Any, empty_directory: Path, no_dot: None
) -> None:
    with pytest.warns(
        UserWarning, match=r"not drawn, because the program `dot` .*apt-get install graphviz.*\.source"
    ) as caught:
        picture = visualize(tensor)
    assert caught[0].filename == __file__
    assert "<b>exp</b>" in picture.source
    assert os.listdir() == []


def test_without_dot_the_source_is_written_instead(tensor: Any, empty_directory: Path, no_dot: None) -> None:
    with pytest.warns(UserWarning, match=r"was written to one\.dot") as caught:
        picture = visualize_graph(tensor.graph, filename="one.png")
    assert caught[0].filename == __file__
    assert Path("one.dot").read_text(encoding="utf-8") == picture.source
    assert os.listdir() == ["one.dot"]


def test_without_dot_the_source_can_be_asked_for_without_a_warning(
    tensor: Any, empty_directory: Path, no_dot: None
) -> None:
    visualize(tensor, filename="one.dot")
    visualize(tensor, render=False)
    assert os.listdir() == ["one.dot"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"format": "gif"}, r"format 'gif' .* expected one of svg, png, pdf, dot; give format='svg'"),
        ({"filename": "a.gif"}, r"format '\.gif' of 'a\.gif' is not written"),
        ({"depth": 0}, "depth is 0; expected 1 or more, or None"),
        ({"max_nodes": -1}, "max_nodes is -1; expected 1 or more"),
        ({"direction": "up"}, r"direction is 'up'; expected TB \(down\), LR"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_is_right(tensor: Any, arguments: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        visualize(tensor, **arguments)


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ParameterError, match=r"no tensor among \(3,\); expected tensors .* visualize_graph"):
        visualize(3)


def test_the_picture_lies_as_asked(tensor: Any) -> None:
    assert "rankdir=LR" in visualize(tensor, render=False, direction="LR").source


def test_a_dot_that_fails_shows_what_it_said(tensor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\necho 'out of cheese' >&2\nexit 3\n")
    broken.chmod(broken.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(drawing.DrawingError, match=r"dot -Kdot -Tsvg.* ended with 3: out of cheese"):
        visualize(tensor)


def test_a_graph_that_came_from_networkx_is_drawn_by_the_function_beside_it():
    graph = multidigraph.MultiDiGraph().add_edge("a", "b")
    assert multidigraph.visualize_graph is visualize_graph
    source = multidigraph.visualize_graph(graph).source
    assert "a" in source
    assert "b" in source
    assert "->" in source
