"""Targets: chosen by explicit features, never by `native`."""

from dataclasses import replace

import pytest

from composit.errors import ParameterError
from mosaic.targets import check_runs_here, choose_target, detect, get_target, named_targets

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


@pytest.mark.parametrize("name", ["", "X86-64-V4", "x86-64-v4 ", 4, ["x86-64-v4"], {}])
def test_what_is_no_name_is_an_error_too(name: object) -> None:
    with pytest.raises(ParameterError, match=r"no target is called .*; expected one of .*; pass one of these"):
        get_target(name)


def test_the_generic_target_names_no_processor() -> None:
    generic = named_targets["generic"]
    assert not any(flag.startswith(("-m", "-target")) for flag in (*generic.flags, *generic.zig_flags))


def test_lanes_follow_from_the_width_of_a_vector() -> None:
    assert v4.lanes(4) == 16
    assert v3.lanes(8) == 4


def test_this_machines_target_and_the_generic_one_run_here() -> None:
    check_runs_here(detect())
    check_runs_here(named_targets["generic"])


def test_code_for_another_processor_is_refused_before_it_is_compiled() -> None:
    other = replace(named_targets["aarch64"], name="other", triple="vax-none")
    with pytest.raises(ParameterError, match=r"code for other was asked for and this machine is .*; expected a target"):
        check_runs_here(other)


def test_code_for_features_that_the_processor_lacks_is_refused_with_their_names() -> None:
    richer = replace(detect(), name="richer", required_features=(*detect().required_features, "avx1024", "amx9"))
    with pytest.raises(
        ParameterError, match=r"code for richer .* lacks amx9, avx1024; .*leave target away.*mosaic.export"
    ):
        check_runs_here(richer)
