"""What columns and file names are taken for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import CsvNumberError, UnknownNameError
from edgewright.core.records.data import Labels
from edgewright.data.preview import guess_pattern
from edgewright.data.roles import SESSIONS, Roles, assign_roles

ROWS = 120


def cells(values: object) -> Labels:
    return np.array([str(value) for value in np.resize(np.asarray(values), ROWS)])


def roles(**columns: object) -> Roles:
    return assign_roles({name: cells(values) for name, values in columns.items()}, {})


READING = np.random.default_rng(0).normal(size=ROWS).round(3)


def test_usual_names_say_what_columns_are() -> None:
    column_roles = roles(
        Subject_ID=[1, 2, 3], activity=["walk", "run"], x=READING, y=READING, timestamp=np.arange(ROWS) * 20
    )
    assert (column_roles.target, column_roles.group, column_roles.time) == ("activity", "Subject_ID", "timestamp")
    assert column_roles.readings == ("x", "y")
    assert "seconds" in column_roles.why["time"]


def test_a_target_without_a_usual_name_is_the_last_column_that_is_no_input_by_its_name() -> None:
    column_roles = roles(mode=[1, 2, 3], temp=READING, verdict=READING)
    assert (column_roles.target, column_roles.readings) == ("verdict", ("mode", "temp"))
    assert column_roles.why["target"].startswith("no name says what is to be predicted, so the last column")


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"a": READING, "kl": ["good", "bad"], "b": READING}, "kl"),
        ({"kl": [0, 1], "a": READING, "b": READING}, "kl"),
        ({"a": READING, "kl": [0, 1], "b": READING}, "b"),  # a flag between readings may be one of them
        ({"sex": ["f", "m"], "a": READING, "b": READING}, "b"),
        ({"kl": ["good", "bad"], "a": READING, "Verbrauch": READING}, "Verbrauch"),
        ({"kind": ["A", "B"], "kind_A": [1, 0], "kind_B": [0, 1], "a": READING, "b": READING}, "b"),
        ({"kl": ["good", "bad"], "lot": ["x", "y", "z"], "a": READING}, "a"),
        ({"Aktivität": ["gehen", "laufen"], "a": READING, "état": ["x", "y"]}, "Aktivität"),
        ({"état": ["x", "y"], "lot": ["x", "y", "z"], "a": READING}, "état"),
    ],
)
def test_names_places_and_few_values_choose_the_target(columns: dict[str, object], target: str) -> None:
    assert roles(**columns).target == target


@pytest.mark.parametrize(
    ("texts", "group"),
    [
        ([f"oven-{n:02}" for n in range(30)], "source"),
        ([f"Pump {n}" for n in range(4)], "source"),  # few, but the word says what they are
        ([f"mode{n}" for n in range(4)], ""),
        ([f"run_{n:02}" for n in range(30)], ""),  # recordings
        ([f"exp{n:02}" for n in range(30)], ""),
        ([f"{word}{n:02}" for n in range(20) for word in "ab"], ""),
    ],
)
def test_a_text_that_numbers_machines_is_the_group(texts: list[str], group: str) -> None:
    column_roles = roles(source=texts, x=READING, label=["a", "b"])
    assert column_roles.group == group


_IDS = st.one_of(
    *(st.just([form.format(n) for n in range(30)]) for form in
      ("{}", "{}.0", "s{}", "r{:02}", "train{:02}", "user{}", "pump-{:02}", "2024-05-{:02}", "{0}_{0}", "clip {}.wav")),
    st.lists(st.text("abcxyz019 _-", min_size=1).filter(str.strip), min_size=30, max_size=30, unique_by=str.strip),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(SESSIONS), ending=st.sampled_from(["", "_id", " no"]), ids=_IDS,
       order=st.permutations(range(30)), rows=st.integers(10, 12))  # fmt: skip
def test_ids_and_order_of_recordings_do_not_change_the_roles(
    name: str, ending: str, ids: list[str], order: list[int], rows: int
) -> None:
    """A session column keeps its role for ids in any form and recordings in any order."""
    name += ending
    x = np.random.default_rng(0).normal(size=(30, rows))

    def detect(ids: list[str], order: list[int]) -> Roles:
        columns = {
            name: np.repeat(np.array(ids)[order], rows),
            "gesture": np.repeat(np.array(["up", "down", "ring"])[np.array(order) % 3], rows),
            "x": x[order].ravel().astype(str),
            "y": x[order].ravel().astype(str),
        }
        return assign_roles(columns, {})

    expected = detect([str(n) for n in range(30)], list(range(30)))
    assert (expected.session, expected.group, expected.target) == (name, "", "gesture")
    assert detect(ids, order) == expected


def test_people_and_recordings_have_names_in_other_languages() -> None:
    column_roles = roles(Gerät=[1, 2], Aufnahme=[1, 2, 3], x=READING, classe=["a", "b"])
    assert (column_roles.group, column_roles.session, column_roles.target) == ("Gerät", "Aufnahme", "classe")


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (("age", "sex", "bmi", "progression"), "progression"),  # an amount, although sex has two values
        (("unit", "cycle", "sensor1", "sensor2", "sensor3", "cycles_left"), "cycles_left"),
        (("cycles_left", "hand_left", "hand_right", "load"), "cycles_left"),
        (("people_in", "hour", "weekday", "in_before", "in_yesterday"), "people_in"),
        (("verdict", "acc_x", "acc_y", "acc_z"), "verdict"),
        (("state", "load", "current"), "state"),
        (("load", "state", "current"), "current"),  # what inputs are named too says it at an end only
        (("species", "island", "mass", "sex"), "species"),
        (("air_temp", "pressure"), ""),  # readings without labels are for detection or a forecast
        (("f1", "f2", "f3", "f4"), ""),
    ],
)
def test_names_and_places_of_columns_choose_the_target(names: tuple[str, ...], target: str) -> None:
    few, many = np.arange(ROWS) % 2, np.random.default_rng(1).normal(size=ROWS)
    columns = {name: few if name in ("sex", "sensor2", "weekday") else many for name in names}
    assert roles(**columns).target == target


def test_a_label_of_one_value_is_still_the_target_and_nothing_else_in_its_place() -> None:
    assert roles(load=READING, current=READING, label=[0]).target == "label"


def test_in_a_folder_only_classes_are_taken_without_a_name_because_files_may_be_named_by_their_label() -> None:
    columns = {"emg": cells(READING), "force": cells(READING)}
    assert assign_roles(columns, {}).target == "force"
    assert assign_roles(columns, {}, few=True).target == ""
    assert assign_roles({**columns, "grip": cells(["a", "b"])}, {}, few=True).target == "grip"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.arange(ROWS), "counts the rows"),
        ([7], "always 7"),
        ([""], "empty"),
        ([f"note {i}" for i in range(ROWS)], "a different text in every row"),
        ([f"note {i % 60}" for i in range(ROWS)], "text (note 0, note 1, note 10 and 57 more): more than 20"),
    ],
)
def test_what_is_no_reading_is_left_out_with_a_reason(values: object, why: str) -> None:
    column_roles = roles(odd=values, temp=READING, label=["a", "b"])
    assert column_roles.readings == ("temp",)
    assert column_roles.ignored["odd"].startswith(why)


@pytest.mark.parametrize("form", ["{}", "[{}]", "( {} )"])
@pytest.mark.parametrize("mark", [",", "; ", " "])
def test_a_waveform_in_a_cell_is_refused_unless_it_is_left_out(form: str, mark: str) -> None:
    wave = [form.format(mark.join(f"{n / 7:.3f}" for n in range(i, i + 64))) for i in range(ROWS)]
    columns = {"data": cells(wave), "speed": cells(READING), "state": cells(["ok", "worn"])}
    with pytest.raises(CsvNumberError, match="64 numbers") as caught:
        assign_roles(columns, {})
    assert caught.value.where == "column data"
    assert assign_roles(columns, {}, ["data"]).readings == ("speed",)


@pytest.mark.parametrize("texts", [["2024-05-01 10:00:00"], ["1.2.3.4"], ["1,5"], ["12 34 56"], ["a 1 2 3 4 5 6 7 8"]])
def test_dates_addresses_and_sentences_are_no_waveforms(texts: list[str]) -> None:
    assert roles(note=texts, speed=READING, state=["ok", "worn"]).target == "state"


def test_numbers_that_name_things_are_no_reading_but_few_of_them_may_be_kinds() -> None:
    column_roles = roles(unique_id=np.arange(ROWS) // 3, kind_id=np.arange(ROWS) % 4, temp=READING, label=["a", "b"])
    assert column_roles.readings == ("kind_id", "temp")
    assert column_roles.ignored["unique_id"] == "an identifier, by its name"


@pytest.mark.parametrize("name", ["site_id", "siteID", "PassengerId"])
def test_identifiers_of_several_words_with_empty_cells_are_known(name: str) -> None:
    numbers = np.where(np.arange(ROWS) % 50 == 7, "", (np.arange(ROWS) * 7 % 40).astype(str))
    column_roles = roles(**{name: numbers, "temp": READING, "label": ["a", "b"]})
    assert column_roles.ignored == {name: "an identifier, by its name"}


def test_a_person_in_camel_case_is_a_group() -> None:
    assert roles(UserID=[1, 2, 3], temp=READING, label=["a", "b"]).group == "UserID"


def test_currents_of_a_motor_are_no_identifiers() -> None:
    current = np.arange(ROWS) * 7 % 41 - 20
    column_roles = roles(id=current, iq=-current, temp=READING, label=["a", "b"])
    assert column_roles.readings == ("id", "iq", "temp")
    assert "id" in roles(id=current, temp=READING, label=["a", "b"]).ignored


def test_flags_that_are_never_set_without_the_target_are_left_out() -> None:
    failure = np.arange(ROWS) % 10 == 0
    first, second = failure & (np.arange(ROWS) < 60), failure & (np.arange(ROWS) >= 60)
    valve = np.arange(ROWS) % 3 == 0
    column_roles = roles(
        valve=valve * 1, temp=READING, failure=failure * 1, heat=first * 1, wear=second * 1, luck=valve * 1
    )
    assert column_roles.target == "failure"
    assert column_roles.readings == ("valve", "temp")
    assert column_roles.ignored["heat"] == "a flag that is never set without failure: it gives the answer away"
    assert column_roles.ignored["luck"] == "a flag beside flags that give failure away"


def test_one_flag_alone_may_be_a_sensor() -> None:
    failure = np.arange(ROWS) % 10 == 0
    column_roles = roles(door=(failure & (np.arange(ROWS) < 60)) * 1, temp=READING, failure=failure * 1)
    assert column_roles.readings == ("door", "temp")


def test_a_person_overrules_names_and_a_wrong_name_is_an_error() -> None:
    columns = {name: cells(v) for name, v in {"person": ["a", "b"], "label": ["x", "y"], "v": READING}.items()}
    column_roles = assign_roles(columns, {"target": "person", "group": "none"}, ["label"])
    assert (column_roles.target, column_roles.group, column_roles.readings) == ("person", "", ("v",))
    with pytest.raises(UnknownNameError, match="Did you mean 'label'"):
        assign_roles(columns, {"target": "lable"})


@pytest.mark.parametrize("name", ["Unnamed: 0", "index", "row_no", "Zeile"])
def test_row_numbers_that_were_mixed_or_drawn_are_no_readings(name: str) -> None:
    mixed, reading = np.random.default_rng(0).permutation(300), [f"{i % 7}.5" for i in range(300)]
    for numbers in (mixed, 1000 + 3 * np.arange(300)):
        columns = {name: list(map(str, numbers)), "v": reading, "label": ["a", "b"] * 150}
        column_roles = roles(**columns)
        assert (column_roles.readings, column_roles.ignored) == (("v",), {name: "a different number in every row"})
    several = {name: [str(i % 20) for i in range(300)], "v": reading, "label": ["a", "b"] * 150}
    assert name in roles(**several).readings


def test_a_column_with_one_person_is_no_group() -> None:
    column_roles = roles(person=["anna"], v=READING, label=["x", "y"])
    assert (column_roles.group, column_roles.ignored) == ("", {"person": "always anna"})


def test_names_of_files() -> None:
    spoken = [f"{digit}_{who}_{index}.wav" for digit in range(3) for who in ("ann", "bo") for index in range(9)]
    assert guess_pattern(spoken) == ("{label}_{group}_{index}", {"label": 3, "group": 2, "index": 9})
    assert guess_pattern([f"data_{n}_watch.csv" for n in range(1600, 1640)]) == ("", {})
    assert guess_pattern([f"walk/{n}.csv" for n in range(9)]) == ("", {})


def test_a_word_before_numbers_in_names_of_files_means_a_person() -> None:
    hapt = [f"exp{n:02}_user{(n + 1) // 2:02}.csv.gz" for n in range(1, 13)]
    assert guess_pattern(hapt) == ("exp{index}_user{group}", {"index": 12, "group": 6})
    labelled = [
        f"{activity}_subject{n}_trial{k}.csv" for activity in ("walk", "run") for n in range(3) for k in range(4)
    ]
    assert guess_pattern(labelled)[0] == "{label}_subject{group}_trial{index}"
    assert guess_pattern([f"user{n}_walk.csv" for n in range(9)])[0] == "user{group}_walk"
    assert guess_pattern([f"exp{n}_trial{k}.csv" for n in range(3) for k in range(4)]) == ("", {})
