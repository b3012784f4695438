"""Columns, labels and units of a file find those of a model, whatever a loader called them."""

from __future__ import annotations

import pytest

from edgewright.core.errors import ColumnMissingError, LabelUnknownError, UnitDiffersError
from edgewright.core.records.data import Column
from edgewright.data.matching import conversion, find_labels, find_name, find_names, plain


def test_a_name_is_found_without_unit_case_and_signs() -> None:
    header = ("UDI", "Air temperature [K]", "Torque [Nm]", "Machine failure")
    assert find_names(["air_temperature", "torque"], header, {}, "f.csv") == ["Air temperature [K]", "Torque [Nm]"]
    assert find_name("machine_failure", header, {}) == "Machine failure"
    assert find_name("torque", header, {"UDI": "torque"}) == "UDI", "what a person said comes first"
    assert find_name("a_b", ("A B", "a-b"), {}) is None, "two that are alike are none"
    assert plain("Temp (°C)") == "temp"
    with pytest.raises(ColumnMissingError):
        find_names(["torque", "speed"], header, {}, "f.csv")


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        (("walking", "stand to sit"), ("Walking", "STAND_TO_SIT"), ("walking", "stand to sit")),
        (("no", "yes"), ("0", "1"), ("no", "yes")),
        (("yes", "no"), ("0.0", "TRUE"), ("no", "yes")),
        (("0", "1", "2"), ("2.0", "1"), ("2", "1")),
    ],
)
def test_labels_are_found(wanted: tuple[str, ...], there: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert tuple(find_labels(wanted, there, {}, "f.csv").values()) == expected


def test_a_label_that_is_unknown_is_refused_or_named() -> None:
    with pytest.raises(LabelUnknownError, match=r"no, yes.*'maybe'.*--map 'maybe=LABEL'"):
        find_labels(("no", "yes"), ("no", "maybe"), {}, "f.csv")
    assert find_labels(("no", "yes"), ("maybe", "?!"), {"maybe": "yes", "?!": ""}, "f.csv") == {
        "maybe": "yes",
        "?!": "",
    }
    with pytest.raises(LabelUnknownError):
        find_labels(("walking", "sitting"), ("0", "1"), {}, "f.csv")


@pytest.mark.parametrize(
    ("column", "other", "value", "is_"),
    [
        (Column(name="t", unit="K"), "t [C]", 20.0, 293.15),
        (Column(name="t [°C]"), "t [F]", 212.0, 100.0),
        (Column(name="a", unit="g"), "a [m/s2]", 9.80665, 1.0),
        (Column(name="n", unit="1/min"), "n [rpm]", 7.0, 7.0),
        (Column(name="x", unit="K"), "x", 7.0, 7.0),
    ],
)
def test_units_are_converted(column: Column, other: str, value: float, is_: float) -> None:
    factor, offset = conversion(column, other, "f.csv")
    assert factor * value + offset == pytest.approx(is_, abs=1e-9)


def test_another_quantity_is_refused() -> None:
    with pytest.raises(UnitDiffersError, match=r"t in K.*t \[bar\]"):
        conversion(Column(name="t", unit="K"), "t [bar]", "f.csv")
