"""`python -m composit doctor` and `cache`, as a person types them."""

import importlib.metadata
import os
from pathlib import Path

import pytest

from composit.__main__ import main
from mosaic.commands import cache, doctor
from mosaic.runtime.cache import Key, open_caches
from mosaic.runtime.threads import runtime_library


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)


def fill_cache() -> None:
    (store,) = open_caches()
    with store.staging() as staging:
        (staging / "library.so").write_bytes(b"x" * 2**20)
        store.publish_library(Key(b"k" * 32, b"m" * 32), staging)


def test_doctor_names_what_the_compiled_path_uses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert doctor([]) == 0
    report = capsys.readouterr().out
    for topic in ("compiler", "compiles", "target", "features", "cache", "threads", "numpy", "cffi", "torch", "dot"):
        assert any(line.strip().startswith(topic) for line in report.splitlines()), topic
    assert f"{tmp_path / 'cache'}, mode 0700" in report
    assert report.endswith("everything the compiled path needs is here\n")


@pytest.mark.parametrize(("torch", "is_said"), [("2.13.0+cpu", False), ("2.12.1", True)])
def test_doctor_names_a_torchvision_of_another_torch(
    torch: str, is_said: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {"torchvision": "0.28.0", "torch": torch}
    known = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: versions.get(name) or known(name))
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["numpy", "torch==2.13.0", "pillow>=5"])
    doctor([])
    report = capsys.readouterr().out
    assert "torchvision" in report
    assert ("transformers with it" in report) == is_said
    assert ("pip uninstall torchvision" in report) == is_said


def test_doctor_fails_without_a_compiler_and_says_how_to_get_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert doctor([]) == 1
    report = capsys.readouterr().out
    assert "! compiler" in report
    assert "CC='no-such-compiler'" in report
    assert "missing: compiler; until then programs run through numpy" in report


def test_doctor_fails_when_the_compiler_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "cc"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "cc 1" || { echo "out of order"; exit 3; }\n')
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    runtime_library.cache_clear()
    assert doctor([]) == 1
    report = capsys.readouterr().out
    assert "! compiles" in report
    assert "out of order" in report


def test_doctor_shows_a_refused_cache_and_goes_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    assert doctor([]) == 0
    assert "lets other users write to it" in capsys.readouterr().out


def test_doctor_names_the_directory_on_the_way_that_others_may_write(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("COMPOSIT_CACHE_DIR", str(tmp_path / "open" / "cache"))
    assert doctor([]) == 0
    report = capsys.readouterr().out
    assert f"{tmp_path / 'open' / 'cache'} is not used: {tmp_path / 'open'} is on the way to it, and its mode" in report


@pytest.mark.parametrize("name", ["COMPOSIT_COMPILE_TIMEOUT", "COMPOSIT_CACHE_MAX_BYTES"])
def test_doctor_and_cache_show_a_setting_that_is_no_number(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "inf")
    assert doctor([]) == 1
    assert f"settings: {name}='inf' is set in the environment and must be a positive" in capsys.readouterr().out
    monkeypatch.setenv("COMPOSIT_CACHE_MAX_BYTES", "much")
    assert cache([]) == 1
    assert "COMPOSIT_CACHE_MAX_BYTES='much'" in capsys.readouterr().err


def test_cache_shows_a_place_whose_name_is_no_text(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSIT_CACHE_DIR", f"{tmp_path}/no-" + os.fsdecode(b"\xff"))
    assert cache([]) == 0
    assert doctor([]) == 0
    assert capsys.readouterr().out.count("no-\\xff") == 2


def test_cache_shows_its_place_and_size(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    fill_cache()
    assert cache([]) == 0
    shown = capsys.readouterr().out
    assert str(tmp_path / "cache") in shown
    assert "libraries  1" in shown
    assert "1.0 of 1024 MiB" in shown


def test_cache_clear_removes_everything(capsys: pytest.CaptureFixture[str]) -> None:
    fill_cache()
    assert cache(["--clear"]) == 0
    assert "cleared    1 entries" in capsys.readouterr().out
    assert open_caches()[0].summary().num_entries == 0


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cache(["--burn"])
    assert stopped.value.code == 2
    assert "--burn" in capsys.readouterr().err


def test_an_installed_command_is_found_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache"]) == 0
    assert "location" in capsys.readouterr().out


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    usage = capsys.readouterr().out
    assert "doctor" in usage
    assert "--clear" in usage


def test_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doktor"]) == 2
    assert "there is no command 'doktor'" in capsys.readouterr().err
