"""How many windows must agree before a decision changes: chosen by cost on recordings that no fit learned from."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

import trace_example
from edgewright.core.errors import ConfigError, OptionError
from edgewright.core.package import read_package
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.trace import Trace
from edgewright.core.records.trace_flow import DebounceRecord
from edgewright.data.load import load_data
from edgewright.data.samples import StreamWindows, cut_streams
from edgewright.pipeline import debounce as tested
from edgewright.pipeline import leave_one_out
from edgewright.pipeline.config import checked
from edgewright.pipeline.debounce import answer_streams
from edgewright.pipeline.material import Material
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.pipeline.run_folder.store import AnsweredStream
from edgewright.trace.html import page_html
from edgewright.workflows.compression.subject import Wanted
from edgewright.workflows.compression.workflow import compress
from edgewright.workflows.own_data.document import pipeline_text
from edgewright.workflows.own_data.proposal import OwnDataRequest, propose

HZ, ROWS = 10.0, 20


def stream(labels: str, answers: str, classes: str = "ab") -> AnsweredStream:
    """Windows of two rows, a row apart; a dot is a row without a label, or a window without an answer."""
    y = np.array(["" if one == "." else one for one in labels])
    probabilities = np.array([[0.9 * (one == name) for name in classes] for one in answers], np.float32)
    windows = np.empty((0, 1, 2), np.float32)
    return AnsweredStream(probabilities, tuple(classes), StreamWindows(windows, np.arange(1, len(y)), y))


def figures(debounce: int, *streams: AnsweredStream) -> tuple[int, int, int, tuple[int, ...], int]:
    """Labelled windows, wrong ones, false switches, delays in rows, and changes that were never decided."""
    tally = tested._tally(streams, debounce)
    delays = tuple(delay for _, delay in tally.delays if delay is not None)
    return tally.labelled, tally.wrong, tally.false, delays, len(tally.delays) - len(delays)


def test_a_single_wrong_answer_is_a_false_switch_that_two_windows_prevent() -> None:
    one = stream("aaaaaabbbb", "aabaabbbb")
    assert figures(1, one) == (9, 1, 1, (0,), 0)
    assert figures(2, one) == (9, 2, 0, (1,), 0)  # late at the start and at the change


def test_a_label_that_some_row_of_the_window_has_is_no_false_switch_and_one_that_is_over_is() -> None:
    short = stream("aaabaaaa", "aaabaaa")
    assert figures(1, short)[2:] == (0, (1, 1), 0)
    over = stream("aaabbaaa", "aaaabba")
    assert figures(1, over)[2] == 0
    assert figures(2, over)[2] == 1


def test_unlabelled_time_is_neither_wrong_nor_false_and_windows_without_an_answer_keep_the_decision() -> None:
    assert figures(1, stream("aaa....bbb", "aaabaabbb")) == (5, 0, 0, (0,), 0)
    assert figures(1, stream("aaaa", "a.a")) == (3, 0, 0, (), 0)
    assert figures(2, stream("aaaaa", "a.aa")) == (4, 3, 0, (), 0)  # a hole breaks the row


def test_a_number_that_hides_a_short_label_is_not_taken() -> None:
    """A fall of one window among thousands would cost less than the false switches that waiting prevents."""
    quiet = stream("a" * 400, "aaab" * 99 + "aaa")
    fall = stream("aaaa" + "c" + "aaaaa", "aaacaaaaa", "abc")
    once, twice = (tested._tally([quiet, fall], number) for number in (1, 2))
    assert once.decided["c"] == 1
    assert twice.decided["c"] == 0
    scale = tested._Scale(step_s=1.0, rate=1.0, false_switch_s=2.0)
    first, second = scale.row(1, once, once), scale.row(2, twice, once)
    assert second.cost_s < first.cost_s
    assert second.hidden == ("c",)
    assert not first.hidden
    assert tested._why(first, (first, second), 2.0).endswith(
        f"; 2 windows that agree cost {second.cost_s:,.0f} s, but hide changes to c"
    )


def test_each_unbroken_recording_begins_without_a_decision() -> None:
    one = stream("aaa", "aa")
    assert figures(2, one, one)[1] == 2


def people(path: Path, count: int, *, sessions: int = 1, odd: float = 0.12) -> Path:
    """Write people who rest and shake by turns; a share of the windows looks like the other state."""
    rng = np.random.default_rng(0)
    parts = []
    for person in range(count):
        for session in range(sessions):
            shaking = np.repeat(np.arange(8) % 2 == 1, 10 * ROWS)
            looks = shaking ^ np.repeat(rng.random(len(shaking) // ROWS) < odd, ROWS)
            values = {axis: np.where(looks, 1.0, 0.1) * rng.normal(size=len(looks)) for axis in "xyz"}
            label = np.where(shaking, "shake", "rest")
            names = {"person": f"p{person:02d}", "session": f"s{person}-{session}", "time": np.arange(len(looks)) / HZ}
            parts.append(pl.DataFrame({**names, **values, "label": label}))
    pl.concat(parts).write_csv(path)
    return path


def run(folder: Path, data: Path, changes: dict[str, Any], model: dict[str, Any] | None = None) -> RunResult:
    by_session = changes.get("split", {}).get("by") in ("session", "time")
    table = {
        "name": "shakes",
        "data": {"kind": "csv", "path": str(data), "target": "label", "session": "session", "time": "time",
                 **({"ignore": ["person"]} if by_session else {"group": "person"})},
        "window": {"samples": ROWS, "step": ROWS},
        "stages": [{"kind": "statistics", "features": ["std"]}],
        "model": model or {"kind": "tree"},
        "compression": {"int8": model is not None},
        "decision": {"debounce": "auto"},
        **changes,
    }  # fmt: skip
    return run_pipeline(checked(table, "shakes"), out=folder)


def record(result: RunResult) -> DebounceRecord:
    assert result.trace.debounce is not None
    return result.trace.debounce


def carried(result: RunResult) -> int:
    assert result.package is not None
    return read_package(result.package).manifest.decision.debounce


def evaluated_units(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[tuple[str, ...]]:
    """Return a list of the groups or sessions that a module lets a fit answer."""
    calls: list[tuple[str, ...]] = []

    def listened(
        steps: list[tuple[str, Any]], material: Material, window: WindowConfig, units: tuple[str, ...]
    ) -> list[AnsweredStream]:
        calls.append(units)
        return answer_streams(steps, material, window, units)

    monkeypatch.setattr(module, "answer_streams", listened)
    return calls


@pytest.mark.slow
def test_people_who_validate_choose_and_the_package_and_the_page_carry_it(tmp_path: Path) -> None:
    data = people(tmp_path / "rows.csv", 14)
    chosen = run(tmp_path, data, {})
    debounced = record(chosen)
    assert debounced.chosen == carried(chosen) > 1
    assert debounced.false_switch_s == ROWS / HZ
    assert debounced.chosen_on.endswith("persons that validated the run")
    assert min(debounced.rows, key=lambda row: row.cost_s).debounce == debounced.chosen
    first, other = debounced.judged_rows
    assert (first.debounce, other.debounce) == (1, debounced.chosen)
    assert other.false_per_hour < first.false_per_hour
    html = page_html(chosen.trace)
    assert f"{debounced.chosen} windows in a row must agree before a decision changes" in html
    assert "Who did not choose" in html
    dear = record(run(tmp_path / "dear", data, {"decision": {"debounce": "auto", "false_switch_s": 1e4}}))
    assert min(dear.rows, key=lambda row: row.false_per_hour).debounce == dear.chosen
    assert [row.wrong for row in dear.rows] == [row.wrong for row in debounced.rows]
    fixed = run(tmp_path / "fixed", data, {"decision": {"debounce": 3}})
    assert fixed.trace.debounce is None
    assert carried(fixed) == 3


@pytest.mark.slow
def test_answers_that_are_hardly_ever_wrong_are_decisions(tmp_path: Path) -> None:
    sure = run(tmp_path, people(tmp_path / "rows.csv", 14, odd=0.0), {})
    assert record(sure).chosen == carried(sure) == 1
    assert record(sure).why.startswith(
        "Each answer is a decision: waiting for more windows that agree costs more, where"
    )
    assert [row.debounce for row in record(sure).judged_rows] == [1]


@pytest.mark.slow
def test_groups_left_out_choose_and_those_that_test_never_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = evaluated_units(monkeypatch, leave_one_out)
    split = {"by": "group", "test_groups": ["p01"], "leave_one_out_s": 600.0}
    result = run(tmp_path, people(tmp_path / "rows.csv", 5), {"split": split})
    assert sorted(calls) == [("p00",), ("p02",), ("p03",), ("p04",)]
    assert record(result).chosen_on == "4 persons left out in turn"
    assert record(result).judged_on == "1 person that tested the run"


@pytest.mark.slow
def test_sessions_of_one_person_choose_where_sessions_are_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = evaluated_units(monkeypatch, tested)
    data = people(tmp_path / "rows.csv", 1, sessions=8)
    debounced = record(run(tmp_path, data, {"split": {"by": "session"}}))
    validating, testing = map(set, calls)
    assert validating and testing and not validating & testing
    assert len(validating | testing) < 8
    assert debounced.hours == pytest.approx(len(validating) * 8 * 10 * ROWS / HZ / 3600)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "why"),
    [({"by": "time"}, "the split is by time"), ({"by": "group", "validation": 0.0}, "every recording trains or tests")],
)
def test_nothing_is_chosen_where_nobody_was_left_out(tmp_path: Path, split: dict[str, Any], why: str) -> None:
    result = run(tmp_path, people(tmp_path / "rows.csv", 4), {"split": split})
    assert why in record(result).why
    assert record(result).chosen == carried(result) == 1
    assert not record(result).rows


@pytest.mark.slow
def test_recordings_of_one_label_choose_nothing(tmp_path: Path) -> None:
    data = people(tmp_path / "rows.csv", 14)
    table = pl.read_csv(data)
    table.with_columns(session=pl.col("person") + pl.col("label")).sort("person", "label", "time").with_columns(
        time=pl.int_range(pl.len()).over("session") / HZ
    ).write_csv(data)
    assert "no recording that chooses holds a change of label" in record(run(tmp_path, data, {})).why


@pytest.mark.slow
def test_a_compressed_run_decides_as_the_run_does(tmp_path: Path) -> None:
    network = {"kind": "network", "layers": [{"kind": "dense", "units": 4}]}
    stages = [{"kind": "statistics", "features": ["std"]}, {"kind": "scale"}]
    changes = {"stages": stages, "training": {"epochs": 30, "learning_rate": 0.02}}
    result = run(tmp_path, people(tmp_path / "rows.csv", 14), changes, network)
    done = compress(result.folder, Wanted(int8=True, max_drop=1.0), out=tmp_path / "small")
    assert done.package is not None
    assert read_package(done.package).manifest.decision.debounce == record(result).chosen > 1


def test_decisions_are_refused_where_no_stream_is_classified(tmp_path: Path) -> None:
    data = people(tmp_path / "rows.csv", 4)
    with pytest.raises(OptionError, match="samples without a window"):
        run(tmp_path, data, {"window": None, "stages": []})
    with pytest.raises(ConfigError, match="debounce"):
        run(tmp_path, data, {"decision": {"debounce": 0}})
    assert not (tmp_path / "shakes").exists()


def test_a_stream_holds_the_windows_that_training_leaves_out(tmp_path: Path) -> None:
    data: dict[str, object] = {
        "kind": "csv",
        "path": str(people(tmp_path / "rows.csv", 2)),
        "target": "label",
        "group": "person",
        "session": "session",
        "time": "time",
    }
    (one,) = cut_streams(load_data(data, seed=0), WindowConfig(samples=ROWS, step=7), ("p01",))
    assert one.last.tolist() == list(range(ROWS - 1, 1600, 7))
    assert one.y[199] == "rest" and one.y[200] == "shake"


@pytest.mark.slow
def test_init_asks_for_the_choice_for_streams_of_windows_alone(tmp_path: Path) -> None:
    data = people(tmp_path / "rows.csv", 4)
    stream_of = propose(OwnDataRequest(path=str(data), decision="2 s"))
    assert stream_of.table["decision"] == {"debounce": "auto"}
    text = pipeline_text(stream_of, "edgewright init", "pipeline.toml")
    assert 'decision.debounce = "auto"' in text
    assert "decision.false_switch_s" in text
    for framing in ("row", "recording"):
        assert "decision" not in propose(OwnDataRequest(path=str(data), decision=framing)).table


def test_an_older_record_has_no_choice_and_no_section() -> None:
    old = msgspec.json.decode(msgspec.json.encode(trace_example.trace()))
    old.pop("debounce", None)
    trace = msgspec.convert(old, Trace)
    assert trace.debounce is None
    assert 'id="decisions"' not in page_html(trace)
