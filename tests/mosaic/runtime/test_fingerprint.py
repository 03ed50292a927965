"""The number that stands for mosaic's own sources."""

import hashlib
from pathlib import Path

import pytest

from mosaic.runtime import fingerprint


def test_any_change_of_a_source_changes_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_PACKAGE", tmp_path)
    digests = set()
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.c", "2"), ("notes.txt", "not a source")):
        (tmp_path / name).write_text(text)
        fingerprint.sources_digest.cache_clear()
        digests.add(fingerprint.sources_digest())
    fingerprint.sources_digest.cache_clear()
    assert len(digests) == 3
    assert all(len(digest) == hashlib.sha256().digest_size for digest in digests)


def test_the_digest_is_cheap_to_ask_for_again() -> None:
    assert fingerprint.sources_digest() is fingerprint.sources_digest()
