"""The store of compiled programs: what is found, what is a miss, what is thrown away."""

import hashlib
import os
from pathlib import Path

import pytest

from mosaic.runtime.cache import Cache, content_key, open_cache
from mosaic.runtime.compilation import compile_library
from mosaic.runtime.library import load_library
from mosaic.targets import Target
from tests.mosaic.runtime.programs import ADD_SOURCE, files_below

KEY = content_key(b"a program")


def publish(cache: Cache, key: bytes, num_bytes: int = 100) -> Path:
    with cache.staging() as staging:
        (staging / "library.so").write_bytes(b"x" * num_bytes)
        (staging / "source.c").write_text("")
        return cache.publish_library(key, staging)


def test_a_key_separates_its_parts() -> None:
    assert content_key(b"ab", b"c") != content_key(b"a", b"bc")
    assert content_key(b"ab") == hashlib.sha256((2).to_bytes(8, "little") + b"ab").digest()


def test_a_program_comes_back_as_it_was_published(cache: Cache, target: Target) -> None:
    assert cache.lookup_program(KEY) is None
    library = compile_library(ADD_SOURCE, target=target)
    published = cache.publish_program(KEY, '{"arena_bytes": 64}', library, ADD_SOURCE)
    found = cache.lookup_program(KEY)
    assert found == published
    assert (found.description, found.source) == ('{"arena_bytes": 64}', ADD_SOURCE)
    assert load_library(found.library).run_function() is not None
    assert cache.lookup_program(content_key(b"another")) is None


@pytest.mark.parametrize(
    "damage", ["truncated", "altered", "missing file", "extra file", "no manifest", "manifest is junk"]
)
def test_a_damaged_entry_is_a_miss_and_is_compiled_again(damage: str, cache: Cache, target: Target) -> None:
    library = compile_library(ADD_SOURCE, target=target)
    content, manifest = library.read_bytes(), library.parent / "manifest.json"
    match damage:
        case "truncated":
            library.write_bytes(content[: len(content) // 2])
        case "altered":
            library.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "missing file":
            library.unlink()
        case "extra file":
            (library.parent / "extra.so").write_bytes(b"")
        case "no manifest":
            manifest.unlink()
        case "manifest is junk":
            manifest.write_text("[]")
    messages: list[str] = []
    assert compile_library(ADD_SOURCE, target=target, progress=messages.append) == library
    assert messages, "it was compiled again"
    assert load_library(library).run_function() is not None
    assert {file.name for file in library.parent.iterdir()} == {"library.so", "source.c", "manifest.json"}


def test_an_entry_moved_to_another_key_is_a_miss(cache: Cache) -> None:
    library = publish(cache, KEY)
    other = content_key(b"another")
    library.parent.rename(library.parent.parent / other.hex())
    assert cache.lookup_library(other) is None


def test_publishing_what_another_process_has_published_keeps_theirs(cache: Cache) -> None:
    theirs = publish(cache, KEY, num_bytes=10)
    ours = publish(cache, KEY, num_bytes=20)
    assert ours == theirs
    assert theirs.stat().st_size == 10


def test_the_least_recently_used_entries_go_first(cache: Cache) -> None:
    bounded = Cache(cache.root, max_bytes=3000)
    keys = [content_key(bytes([number])) for number in range(4)]
    for age, key in zip((40, 30, 20, 10), keys, strict=True):
        manifest = publish(bounded, key, num_bytes=600).parent / "manifest.json"
        os.utime(manifest, ns=(10**18 - age, 10**18 - age))
    assert bounded.lookup_library(keys[0]) is not None, "which makes it the most recently used"
    bounded.evict()
    assert [bounded.lookup_library(key) is not None for key in keys] == [True, False, True, True]
    assert bounded.summary().num_bytes <= 3000


def test_publishing_evicts_now_and_then(cache: Cache) -> None:
    bounded = Cache(cache.root, max_bytes=10_000)
    for number in range(200):
        publish(bounded, content_key(bytes([number])), num_bytes=1000)
    assert bounded.summary().num_bytes <= 10_000 + 100 * 1200
    publish(bounded, bytes(32), num_bytes=1000)
    assert bounded.summary().num_bytes <= 10_000


def test_the_bound_can_be_set_by_the_environment(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSIT_CACHE_MAX_BYTES", "12345")
    assert open_cache() == Cache(cache.root, 12345)


def test_clearing_leaves_nothing(cache: Cache) -> None:
    publish(cache, KEY)
    with cache.staging() as staging:
        (staging / "of-a-killed-process").write_text("")
        cache.clear()
    assert files_below(cache.root) == []
    assert cache.summary().num_bytes == 0


def test_staging_of_killed_processes_is_swept_when_it_is_old(cache: Cache) -> None:
    with cache.staging() as old, cache.staging() as young:
        os.utime(old, (0, 0))
        cache.evict()
        assert (old.exists(), young.exists()) == (False, True)


def test_a_staged_directory_is_removed_when_something_goes_wrong(cache: Cache) -> None:
    def stage_and_stop() -> None:
        with cache.staging() as staging:
            (staging / "half").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage_and_stop()
    assert files_below(cache.root) == []
