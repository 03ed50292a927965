"""The store of compiled programs: what is found, what is a miss, what is thrown away."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from mosaic.runtime.cache import Cache, Key, content_key, open_caches
from mosaic.runtime.compilation import compile_library
from mosaic.runtime.library import load_library
from mosaic.targets import Target
from tests.mosaic.runtime.programs import ADD_SOURCE, files_below

MAKER = content_key(b"a compiler")
KEY = Key(content_key(b"a program"), MAKER)


def numbered(number: int) -> Key:
    return Key(content_key(bytes([number])), MAKER)


def first_library(cache: Cache, key: Key) -> Path | None:
    return next(cache.libraries(key), None)


def publish(cache: Cache, key: Key, num_bytes: int = 100) -> Path:
    with cache.staging() as staging:
        (staging / "library.so").write_bytes(b"x" * num_bytes)
        (staging / "source.c").write_text("")
        return cache.publish_library(key, staging)


def test_a_key_separates_its_parts() -> None:
    assert content_key(b"ab", b"c") != content_key(b"a", b"bc")
    assert content_key(b"ab") == hashlib.sha256((2).to_bytes(8, "little") + b"ab").digest()


def test_a_program_comes_back_as_it_was_published(cache: Cache, target: Target) -> None:
    assert list(cache.programs(KEY)) == []
    library = compile_library(ADD_SOURCE, target=target)
    cache.publish_program(KEY, '{"arena_bytes": 64}', library, ADD_SOURCE)
    (found,) = cache.programs(KEY)
    assert (found.description, found.source) == ('{"arena_bytes": 64}', ADD_SOURCE)
    assert load_library(found.library).run_function() is not None
    assert list(cache.programs(Key(content_key(b"another"), MAKER))) == []


@pytest.mark.parametrize(
    "damage",
    [
        *("truncated", "altered", "missing file", "extra file", "no manifest", "manifest is junk", "empty manifest"),
        *(
            "empty library",
            "deep manifest",
            "binary manifest",
            "pipe",
            "directory",
            "link",
            "file",
            "link to elsewhere",
        ),
    ],
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
        case "empty manifest":
            manifest.write_text("")
        case "empty library":
            library.write_bytes(b"")
        case "deep manifest":
            manifest.write_text("[" * 100_000)
        case "binary manifest":
            manifest.write_bytes(bytes(range(256)))
        case "pipe":
            library.unlink()
            os.mkfifo(library)
        case "directory":
            library.unlink()
            library.mkdir()
        case "link":
            library.rename(cache.root / "moved.so")
            library.symlink_to(cache.root / "moved.so")
        case "file":
            shutil.rmtree(library.parent)
            library.parent.write_text("")
        case "link to elsewhere":
            library.parent.rename(cache.root / "moved")
            library.parent.symlink_to(cache.root / "moved")
    messages: list[str] = []
    assert compile_library(ADD_SOURCE, target=target, progress=messages.append) == library
    assert messages, "it was compiled again"
    assert load_library(library).run_function() is not None
    assert {file.name for file in library.parent.iterdir()} == {"library.so", "source.c", "manifest.json"}


def test_an_entry_moved_to_another_key_is_a_miss(cache: Cache) -> None:
    library = publish(cache, KEY)
    other = Key(content_key(b"another"), MAKER)
    library.parent.rename(library.parent.parent / other.name)
    assert first_library(cache, other) is None


def test_publishing_what_another_process_has_published_keeps_theirs(cache: Cache) -> None:
    theirs = publish(cache, KEY, num_bytes=10)
    ours = publish(cache, KEY, num_bytes=20)
    assert ours == theirs
    assert theirs.stat().st_size == 10


def test_the_least_recently_used_entries_go_first(cache: Cache) -> None:
    bounded = Cache(cache.root, max_bytes=3000)
    keys = [numbered(number) for number in range(4)]
    for age, key in zip((40, 30, 20, 10), keys, strict=True):
        manifest = publish(bounded, key, num_bytes=600).parent / "manifest.json"
        os.utime(manifest, ns=(10**18 - age, 10**18 - age))
    assert first_library(bounded, keys[0]) is not None, "which makes it the most recently used"
    bounded.evict()
    assert [first_library(bounded, key) is not None for key in keys] == [True, False, True, True]
    assert bounded.summary().num_bytes <= 3000


def test_publishing_evicts_now_and_then(cache: Cache) -> None:
    bounded = Cache(cache.root, max_bytes=10_000)
    for number in range(200):
        publish(bounded, numbered(number), num_bytes=1000)
    assert bounded.summary().num_bytes <= 10_000 + 100 * 1200
    publish(bounded, Key(bytes(32), MAKER), num_bytes=1000)
    assert bounded.summary().num_bytes <= 10_000


def test_the_bound_can_be_set_by_the_environment(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSIT_CACHE_MAX_BYTES", "12345")
    assert open_caches() == (Cache(cache.root, 12345),)


def test_clearing_leaves_nothing(cache: Cache) -> None:
    publish(cache, KEY)
    cache.clear()
    assert files_below(cache.root) == []
    assert cache.summary().num_bytes == 0


def test_a_staged_directory_is_removed_when_something_goes_wrong(cache: Cache) -> None:
    def stage_and_stop() -> None:
        with cache.staging() as staging:
            (staging / "half").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage_and_stop()
    assert files_below(cache.root) == []
