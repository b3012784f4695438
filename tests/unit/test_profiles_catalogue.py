"""Profiles found by file name, their figures, errors for files of one's own, and a model against their budgets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import InputError, ProfileError, UnknownNameError
from edgewright.core.records.footprint import Footprint, Spread
from edgewright.core.records.trace import BudgetRow, DeviceRecord
from edgewright.profiles.catalogue import FOLDER, figures, listing, load_profile
from edgewright.profiles.footprint import MICRO_CODE, SYSTEM_CODE, Load, core_of, estimate, on_system, takes_programs
from edgewright.profiles.rules import load_rules

UNITS = {
    "flash": "B", "ram": "B", "clock": "Hz", "macs_float": "cycles", "macs_int8": "cycles",
    "overhead": "cycles", "error": "relative",
}  # fmt: skip
UNITS_BESIDE = {
    "package": "B",
    "bandwidth": "B/s", "cycles": "cycles", "wait_states": "cycles", "cache": "B", "active": "W", "sleep": "W",
    "price": "USD", "cells": "cells",
}  # fmt: skip
KINDS = ("datasheet", "assumption", "measurement", "published", "requirement")


def test_the_three_that_are_promised() -> None:
    assert {"cortex-m4", "phone-arm64", "x86-64"} <= set(listing())


@pytest.mark.parametrize("name", listing())
def test_every_figure_has_its_unit_and_an_honest_source(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    request = UNITS | {key: UNITS_BESIDE[key] for key in UNITS_BESIDE if getattr(profile, key)}
    assert {key: figure.unit for key, figure in figures(profile).items()} == request
    for key, figure in figures(profile).items():
        assert figure.source.startswith(KINDS), key
        assert len(figure.source) > 20, key


def test_phone_takes_two_megabytes() -> None:
    phone = load_profile("phone-arm64").package
    assert phone is not None
    assert phone.value == 2_000_000


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"Known: .*cortex-m4.*Did you mean 'cortex-m4'\?"):
        load_profile("cortex-m44")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    text = (FOLDER / "cortex-m4.toml").read_text(encoding="utf-8")
    path = tmp_path / "board.toml"
    path.write_text(text.replace('"cortex-m4"', '"board"'), encoding="utf-8")
    assert load_profile(str(path)).name == "board"
    path.write_text("version = 1\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_profile(str(path)).version == 1
    with pytest.raises(ProfileError, match=r"got no such file - at absent\.toml"):
        load_profile("absent.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"cortex-m4"', '"other"', "the name 'board'"),
        ("value = 8.0", "value = 0.0", "key macs_float.value"),
        ("value = 8.0", 'value = "eight"', r"expected a number, got 'eight' - at .*board\.toml macs_float\.value"),
        (
            'unit = "Hz"',
            'unit = "MHz"',
            r"expected the unit 'Hz', got 'MHz' - at .*key clock\.unit\. Give the value in Hz",
        ),
        ("[clock]", "[clocks]", "clock"),
        ("[clock]", "[clock", "board.toml"),
        ("description", "version = 2\ncolour = 3\ndescription", "Profile format 2 is newer than this Edgewright reads"),
        ("description", "version = true\ndescription", "whole number from 1 on, got True"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (FOLDER / "cortex-m4.toml").read_text(encoding="utf-8").replace('"cortex-m4"', '"board"', 1)
    path = tmp_path / "board.toml"
    path.write_text(text.replace('"board"' if old == '"cortex-m4"' else old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_profile(str(path))


# fmt: off
PROMISED = [
    "cortex-m0plus", "cortex-m4", "cortex-m33", "cortex-m7", "cortex-m55", "nrf52840", "stm32l4", "stm32h7",
    "esp32-s3", "rp2040", "riscv32", "riscv32v", "raspberry-pi-zero-2", "raspberry-pi-5", "phone-arm64",
    "jetson-orin-nano", "coral-edge-tpu", "movidius-myriad-x", "fpga-hls", "server-gpu", "x86-64",
]
# fmt: on


def test_all_that_are_promised_are_there() -> None:
    assert set(PROMISED) <= set(listing())


@pytest.mark.parametrize("name", listing())
def test_accelerators_have_rules_and_cores_coefficients(name: str) -> None:
    profile = load_profile(name)
    for accelerator in profile.accelerators:
        assert load_rules(accelerator.rules).operators
        assert accelerator.source.startswith(KINDS)
    if takes_programs(profile):
        assert core_of(profile.estimated_as or profile.core).instructions
    for region in profile.regions:
        assert region.bytes > 0


def test_a_chip_inherits_from_its_core() -> None:
    chip, core_of = load_profile("nrf52840"), load_profile("cortex-m4")
    assert (chip.inherits, chip.core, chip.instruction_set) == ("cortex-m4", "cortex-m4", "armv7e-m")
    assert chip.macs_int8 == core_of.macs_int8
    assert chip.clock.value == 64e6 != core_of.clock.value


def test_ones_own_board_inherits_and_replaces(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('name = "base"\ninherits = "cortex-m7"\ndescription = "b"\n', encoding="utf-8")
    (tmp_path / "board.toml").write_text(
        'name = "board"\ninherits = "base.toml"\n[clock]\nvalue = 1e8\nunit = "Hz"\nsource = "set by me"\n',
        encoding="utf-8",
    )
    board = load_profile(str(tmp_path / "board.toml"))
    assert (board.description, board.core, board.clock.value) == ("b", "cortex-m7", 1e8)


def test_cycles_and_unknown_parents_are_refused(tmp_path: Path) -> None:
    for name, parent in (("a", "b.toml"), ("b", "a.toml"), ("c", "cortex-m44"), ("d", "absent.toml")):
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\ninherits = "{parent}"\n', encoding="utf-8")
    with pytest.raises(ProfileError, match="a -> b -> a"):
        load_profile(str(tmp_path / "a.toml"))
    with pytest.raises(UnknownNameError, match="Did you mean 'cortex-m4'"):
        load_profile(str(tmp_path / "c.toml"))
    with pytest.raises(ProfileError, match=r"absent\.toml"):
        load_profile(str(tmp_path / "d.toml"))
    (tmp_path / "e.toml").write_text('name = "e"\ninherits = 3\n', encoding="utf-8")
    with pytest.raises(ProfileError, match="the name of a profile, got 3"):
        load_profile(str(tmp_path / "e.toml"))


def test_absent_file() -> None:
    with pytest.raises(ProfileError, match="expected a device profile"):
        load_profile("absent.toml")


def row(record: DeviceRecord, name: str) -> BudgetRow:
    return next(r for r in record.rows if r.name == name)


def system(name: str, weights: int = 1, values: int = 1, floats: int = 0, ints: int = 0) -> Footprint:
    return on_system(load_profile(name), Load(weights, values, floats, ints), form="int8")


def test_formula_of_an_engine_on_a_system() -> None:
    profile = load_profile("x86-64")
    record = estimate(profile, system("x86-64", 5_452, 128, 20, 4_928))
    assert row(record, "storage").used == 5_452 + SYSTEM_CODE[0]
    cycles = 20 * profile.macs_float.value + 4_928 * profile.macs_int8.value + profile.overhead.value
    assert row(record, "latency").used == pytest.approx(cycles / 3000.0)
    assert record.fits
    assert row(record, "latency").available == 0
    assert any("a multiply-accumulate" in note for note in record.notes)


def test_measured_kernels_lie_within_the_error_bar() -> None:
    """Instructions measured under emulation for vendor kernels: 16,698 and 580 thousand, at 168 MHz."""
    for macs, instructions in ((4_928, 16_698), (264_000, 580_000)):
        latency = row(estimate(load_profile("cortex-m4"), system("cortex-m4", ints=macs)), "latency")
        assert latency.low <= instructions / 168 <= latency.high


def test_a_model_too_large_does_not_fit() -> None:
    record = estimate(load_profile("cortex-m4"), system("cortex-m4", 2_000_000, 500_000))
    assert not record.fits
    assert row(record, "flash").used == 2_000_000 + MICRO_CODE[0] > row(record, "flash").available


def test_an_error_bar_beyond_the_budget_is_noted() -> None:
    record = estimate(load_profile("cortex-m4"), system("cortex-m4", 1_030_000))
    assert record.fits
    assert "flash may exceed its budget: the error bar reaches beyond it" in record.notes


def test_a_small_device_needs_a_core_of_which_something_is_known(tmp_path: Path) -> None:
    """An engine of 4 MB was taken for what an ATmega of 32 kB runs."""
    text = 'name = "avr"\ndescription = "ATmega328P"\ninstruction_set = "avr5"\n'
    for key, unit, value in (
        ("flash", "B", 32_768), ("ram", "B", 2_048), ("clock", "Hz", 16_000_000),
        ("macs_float", "cycles", 300), ("macs_int8", "cycles", 30), ("overhead", "cycles", 3_000),
        ("error", "relative", 0.5),
    ):  # fmt: skip
        text += f'\n[{key}]\nvalue = {value}\nunit = "{unit}"\nsource = "a data sheet"\n'
    path = tmp_path / "avr.toml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=r"got instruction_set 'avr5' - at .*avr\.toml\. Add .*estimated_as = "):
        load_profile(str(path))
    path.write_text('estimated_as = "cortex-m0plus"\n' + text)
    assert takes_programs(load_profile(str(path)))


def test_measured_latency_takes_the_place_of_the_estimate() -> None:
    record = estimate(load_profile("x86-64"), system("x86-64"), measured_latency_us=4.2)
    assert row(record, "latency") == BudgetRow(
        name="latency", used=4.2, low=4.2, high=4.2, available=0.0, unit="us", how="measured"
    )
    assert record.notes == ()


def test_deadline_is_a_budget() -> None:
    record = estimate(load_profile("cortex-m4"), system("cortex-m4", floats=1_000_000), deadline_us=10.0)
    assert not record.fits


def test_package_is_measured() -> None:
    record = estimate(load_profile("phone-arm64"), system("phone-arm64"), package_bytes=2_000_001)
    assert row(record, "package").how == "measured"
    assert not record.fits


def test_a_program_tells_how_its_latency_came_about() -> None:
    spread = Spread(value=100.0, low=90.0, high=110.0, unit="B", how="estimated")
    latency = Spread(value=8.0, low=4.0, high=12.0, unit="us", how="modelled", source="1.5 cycles an instruction")
    footprint = Footprint(
        profile="cortex-m4", form="int8", flash=spread, ram=spread, instructions=spread, latency_us=latency
    )
    record = estimate(load_profile("cortex-m4"), footprint)
    assert record.notes == ("latency is modelled, unverified on silicon: 1.5 cycles an instruction",)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.sampled_from(["cortex-m4", "phone-arm64", "x86-64", "fpga-hls"]), *[st.integers(0, 10**9)] * 4)
def test_bars_hold_the_figure(name: str, weights: int, values: int, floats: int, ints: int) -> None:
    record = estimate(load_profile(name), system(name, weights, values, floats, ints))
    assert all(r.low <= r.used <= r.high for r in record.rows)
    assert record.fits == all(r.used <= r.available for r in record.rows if r.available > 0)
