"""Targets: chosen by explicit features, never by `native`."""

import pytest

from mosaic.targets import choose_target, detect, get_target, named_targets

v4 = named_targets["x86-64-v4"]
v3 = named_targets["x86-64-v3"]


def test_a_processor_gets_the_richest_target_it_has_all_features_of() -> None:
    assert choose_target("x86_64", frozenset(v4.required_features) | {"avx512_vnni"}) is v4
    assert choose_target("x86_64", frozenset(v4.required_features) - {"avx512dq"}) is v3
    assert choose_target("x86_64", frozenset()).name == "generic"
    assert choose_target("aarch64", frozenset({"asimd", "fp"})).name == "aarch64"
    assert choose_target("riscv64", frozenset({"asimd"})).name == "generic"


def test_this_machine_is_described_with_explicit_flags() -> None:
    target = detect()
    assert not any("native" in flag for flag in target.flags)
    assert target.vector_bytes >= 16
    assert 8 * 1024 <= target.caches.l1 <= target.caches.l2
    assert target.name in named_targets


def test_arithmetic_flags_are_in_every_target_and_fast_math_in_none() -> None:
    for target in named_targets.values():
        for flags in (target.flags, target.zig_flags):
            assert "-ffp-contract=off" in flags
            assert not any("fast" in flag for flag in flags)


def test_a_target_is_got_by_name_by_itself_or_as_this_machine() -> None:
    assert get_target("x86-64-v3") is v3
    assert get_target(v4) is v4
    assert get_target() == detect()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no target is called 'z80'.*x86-64-v4, x86-64-v3.*aarch64"):
        get_target("z80")


def test_the_generic_target_names_no_processor() -> None:
    generic = named_targets["generic"]
    assert not any(flag.startswith(("-m", "-target")) for flag in (*generic.flags, *generic.zig_flags))


def test_lanes_follow_from_the_width_of_a_vector() -> None:
    assert v4.lanes(4) == 16
    assert v3.lanes(8) == 4
