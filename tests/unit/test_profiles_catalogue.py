"""Profiles: found by file name, every figure with unit and source, clear errors for one's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.profiles.catalogue import FOLDER, figures, listing, load_profile
from edgewright.schema.errors import InputError, UnknownNameError

UNITS = {
    "flash": "B", "ram": "B", "package": "B", "clock": "Hz", "macs_float": "cycles", "macs_int8": "cycles",
    "overhead": "cycles", "error": "relative",
}  # fmt: skip
KINDS = ("datasheet", "assumption", "measurement", "published", "requirement")


def test_the_three_that_are_promised() -> None:
    assert {"cortex-m4", "phone-arm64", "x86-64"} <= set(listing())


@pytest.mark.parametrize("name", listing())
def test_every_figure_has_its_unit_and_an_honest_source(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    asked = UNITS | ({"bandwidth": "B/s"} if profile.bandwidth else {})
    assert {key: figure.unit for key, figure in figures(profile).items()} == asked
    for key, figure in figures(profile).items():
        assert figure.source.startswith(KINDS), key
        assert len(figure.source) > 20, key


def test_phone_takes_two_megabytes() -> None:
    assert load_profile("phone-arm64").package.value == 2_000_000


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"Known: .*cortex-m4.*Did you mean 'cortex-m4'\?"):
        load_profile("cortex-m5")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    text = (FOLDER / "cortex-m4.toml").read_text(encoding="utf-8")
    path = tmp_path / "board.toml"
    path.write_text(text.replace('"cortex-m4"', '"board"'), encoding="utf-8")
    assert load_profile(str(path)).name == "board"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"cortex-m4"', '"other"', "the name 'board'"),
        ("value = 8.0", "value = 0.0", "key macs_float.value"),
        ("value = 8.0", 'value = "eight"', r"expected a number, got 'eight' - at .*board\.toml macs_float\.value"),
        ("[clock]", "[clocks]", "clock"),
        ("[clock]", "[clock", "board.toml"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (FOLDER / "cortex-m4.toml").read_text(encoding="utf-8").replace('"cortex-m4"', '"board"', 1)
    path = tmp_path / "board.toml"
    path.write_text(text.replace('"board"' if old == '"cortex-m4"' else old, new), encoding="utf-8")
    with pytest.raises(InputError, match=said):
        load_profile(str(path))


def test_absent_file() -> None:
    with pytest.raises(InputError, match="expected a device profile"):
        load_profile("absent.toml")
