"""Jobs: a folder's steps from data to a replayed recording, one record and one page; and what is refused."""

from __future__ import annotations

import errno
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.files import write_atomic
from edgewright.core.formatting import percent
from edgewright.core.prediction.decision import Decider
from edgewright.jobs.catalogue import examples, read_job, shipped_jobs
from edgewright.jobs.steps import Work
from edgewright.jobs.steps import replay as replay_step
from edgewright.jobs.steps import run as run_step
from edgewright.jobs.steps.replay import delay
from edgewright.jobs.workflow import decision_text
from edgewright.pipeline.run_folder.stopped_work import FINISHED_STEPS, locked, stopped_folders
from edgewright.schema.device import DecisionSpec
from edgewright.schema.errors import INTERRUPTED, OUTPUT_FAILED, UnknownNameError
from edgewright.schema.job import (
    Choice,
    JobCurve,
    JobFigure,
    JobRecord,
    LaneFrame,
    LaneView,
    Mark,
    StepRecord,
    Stretch,
    Target,
    Timeline,
)
from edgewright.schema.package import WindowSpec
from edgewright.trace.views.job import bound_text, job_page, lane_view_html, timeline_html
from support import ended_process, left_out

PIPELINE = """
name = "desk"
[data]
kind = "csv"
target = "state"
group = "place"
time = "time"
[split]
test_groups = ["e", "f"]
[model]
kind = "threshold"
[device]
profile = "cortex-m4"
"""
DEVICE = """
device = "gateway"
[[rules]]
path = "lamp.toml"
"""
LAMP = """
name = "lamp"
states = ["dark", "lit"]
initial = "dark"
safe = "dark"
patience = 600.0
fallback = "stay"
[[steps]]
state = "dark"
event = "decision"
when = "decided == 'there'"
to = "lit"
actions = [{ event = "lamp on" }]
[[steps]]
state = "lit"
event = "decision"
when = "decided == 'away'"
to = "dark"
actions = [{ event = "lamp off" }]
"""
JOB = """
title = "Is <somebody> at the desk?"
shows = "One threshold and a state table."
answer = "<Yes>, right {replay.right} of the time; {run.accuracy} of the rows, {run.unknown} of others."
picture = "replay"
minutes = 0.1
limits = ["Six simulated places."]
[[steps]]
kind = "run"
[[steps]]
kind = "replay"
signals = ["weight"]
[[targets]]
step = "run"
figure = "accuracy"
minimum = 0.9
source = "what <the desk> needs"
[[targets]]
step = "replay"
figure = "right"
maximum = 0.1
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a job, with its data beside the pipeline: somebody sits there, or nobody does."""
    folder = tmp_path_factory.mktemp("jobs") / "desk"
    folder.mkdir()
    draw = np.random.default_rng(3)
    lines = ["time,weight,noise,state,place"]
    for room in "abcdef":
        for second in range(240):
            there = second // 40 % 2 == 1
            weight = draw.normal(70 if there else 5, 4)
            lines.append(f"{second},{weight:.2f},{draw.normal():.3f},{'there' if there else 'away'},{room}")
    (folder / "rows.csv").write_text("\n".join(lines))
    for name, text in (("pipeline.toml", PIPELINE), ("device.toml", DEVICE), ("lamp.toml", LAMP), ("job.toml", JOB)):
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def done(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that a run of the job left."""
    from edgewright.jobs.workflow import run_job
    from edgewright.pipeline.run_folder.listener import Listener

    return run_job(desk, data=desk / "rows.csv", out=tmp_path_factory.mktemp("runs"), listener=Listener()).folder


def left_in(folder: Path) -> list[str]:
    """Return what a job left but its journal, which says that it was stopped."""
    hidden = [path for path in folder.glob(".edgewright/*") if path.name != "journals"]
    return sorted(path.name for path in [*folder.iterdir(), *hidden] if path.name != ".edgewright")


def record_of(folder: Path) -> JobRecord:
    return msgspec.json.decode((folder / "job.json").read_bytes(), type=JobRecord)


def test_a_job_leaves_its_run_its_record_and_one_page(done: Path) -> None:
    assert sorted(path.name for path in done.iterdir()) == ["decision.md", "desk", "job.html", "job.json"]
    record = record_of(done)
    assert [step.name for step in record.steps] == ["run", "replay"]
    assert record.passed
    page = (done / "job.html").read_text()
    assert "Is &lt;somebody&gt; at the desk?" in page
    assert "<somebody>" not in page
    assert "Six simulated places." in page
    # The answer comes first, then one picture; the step's own section does not repeat it.
    figures = {(step.name, figure.name): figure.value for step in record.steps for figure in step.figures}
    right, accuracy = (percent(figures[key], 1) for key in (("replay", "right"), ("run", "accuracy")))
    assert record.answer == f"<Yes>, right {right} of the time; {accuracy} of the rows, (not measured) of others."
    assert page.index('<p class="verdict weak">&lt;Yes&gt;, right') < page.index('class="timeline"')
    assert page.count('class="timeline"') == 1
    # Both targets are shown, the one that was missed too.
    assert page.count(">reached<") == 1
    assert page.count(">missed<") == 1
    # Beside a target stands where it comes from.
    assert page.count("what &lt;the desk&gt; needs") == 1


def test_a_job_leaves_a_decision_record(done: Path) -> None:
    text = (done / "decision.md").read_text()
    parts = [line for line in text.splitlines() if line.startswith("#")]
    assert parts[0] == "# desk: Is \\<somebody> at the desk?"
    assert parts[1:] == ["## Context", "## Options measured", "## Decision", "## Consequences"]
    assert "Status: accepted" in text
    # No step of this job chose; the target that is missed, the limits and the commands are its consequences.
    assert "no step chose" in text
    assert "asked at most .100" in text
    assert "Six simulated places." in text
    assert "edgewright device run desk" in text
    assert 'href="decision.md"' in (done / "job.html").read_text()
    choice = Choice(
        question="Which rule?", chosen="one threshold", why="more do not help",
        options=(JobFigure(name="a", title="one threshold", value=0.9), JobFigure(name="b", title="a tree", value=0.9)),
    )  # fmt: skip
    step = msgspec.structs.replace(record_of(done).steps[0], choice=choice)
    chosen = decision_text(msgspec.structs.replace(record_of(done), steps=(step,)))
    assert "| a tree | .900 |" in chosen
    assert "Which rule? One threshold. More do not help." in chosen


def test_a_replay_tells_what_the_agent_decided_of_those_who_judge(done: Path) -> None:
    step = record_of(done).steps[1]
    figures = {figure.name: figure for figure in step.figures}
    right = figures["right"]
    assert right.value > 0.95
    assert right.interval is not None
    assert "2 recordings of 2 groups" in step.says[0]
    line = step.timeline
    assert line is not None
    assert line.seconds == 239
    assert line.labels == ("away", "there")
    assert [one.label for one in line.truth] == ["away", "there"] * 3
    # The state table followed the decisions, from its initial state on.
    assert [one.label for one in line.states] == ["dark", "lit"] * 3
    assert line.states[0].start == 0
    assert [mark.text for mark in line.marks][:2] == ["lamp on", "lamp off"]
    changes = [one.start for one in line.answers]
    assert changes == pytest.approx([0, 40, 80, 120, 160, 200], abs=1)


@pytest.mark.slow
@pytest.mark.parametrize(("smoothing", "debounce"), [(1, 1), (5, 1), (1, 2), (3, 2)])
def test_answers_dated_back_change_where_the_truth_does(smoothing: int, debounce: int) -> None:
    # Windows of 12 rows, one every 4; the truth changes at row 200 + phase, and a window answers by most of its rows.
    window, late = WindowSpec(samples=12, step=4, rate=1.0), []
    spec = DecisionSpec(smoothing=smoothing, debounce=debounce)
    for phase in range(4):
        decider = Decider(spec, ["before", "after"])
        for end in range(12, 400, 4):
            share = min(1.0, max(0.0, (end - 200 - phase) / 12))
            sure = np.array([share < 0.5, share >= 0.5], np.float32)
            decision = decider.push(sure, float(end))
            if decision is not None and decision.label == 1:
                late.append(end - 200 - phase)
    assert np.mean(late) == pytest.approx(delay(window, spec), abs=1.0)


@pytest.mark.slow
def test_a_single_threshold_is_proven_on_an_emulated_processor(done: Path) -> None:
    from edgewright.export.emulator import missing_tools
    from edgewright.workflows.proof.workflow import prove_place

    if missing := missing_tools("cortex-m4"):
        left_out(", ".join(missing))
    record = prove_place(str(done / "desk"), rows=50, device="cortex-m4")
    assert record.passed
    assert "float C99 on an emulated cortex-m4" in [form.name for form in record.forms]


@pytest.mark.slow
def test_a_job_of_ones_own_runs_by_its_folder(desk: Path, tmp_path: Path, cli: Cli) -> None:
    out = cli("jobs", "run", desk, "--data", desk / "rows.csv", "--out", tmp_path)
    assert "every check passed; 1 of 2 targets missed" in out
    assert str(tmp_path / "desk" / "job.html") in out
    again = cli.json("jobs", "run", desk, "--data", desk / "rows.csv", "--out", tmp_path)
    assert again["name"] == "desk"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk", "desk-2"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('kind = "run"', 'kind = "rnu"'), "no kind of step 'rnu'. Known: adapt, "),
        (('kind = "replay"\nsignals = ["weight"]', 'kind = "run"'), "a name of its own for each step, got 'run' twice"),
        (('step = "replay"', 'step = "replya"'), "a target of one of the steps run, replay, got 'replya'"),
        (('kind = "run"', 'kind = "run"\nfile = "x"'), "no key 'file'"),
        (("minutes = 0.1", "minutes = -1"), "minutes"),
        (('picture = "replay"', 'picture = "rpelay"'), "one of the steps run, replay, got 'rpelay'"),
        (("{run.accuracy}", "{rnu.accuracy}"), "one of the steps run, replay, got 'rnu' - at desk job.toml answer"),
    ],
)
def test_a_wrong_table_is_refused_before_anything_runs(
    desk: Path, tmp_path: Path, cli: Cli, change: tuple[str, str], words: str
) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    for path in desk.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "job.toml").write_text(JOB.replace(*change))
    err = cli("jobs", "run", folder, "--data", folder / "rows.csv", "--out", tmp_path / "runs", code=2)
    assert words in err
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_names_and_folders_that_are_no_jobs_are_refused(tmp_path: Path, cli: Cli) -> None:
    assert "no job 'activty'" in cli("jobs", "run", "activty", code=2)
    assert "a folder with job.toml" in cli("jobs", "run", tmp_path, code=2)
    assert "a folder of data" in cli("jobs", "run", "room", "--data", tmp_path / "absent", code=2)


def test_each_shipped_job_is_listed_and_told(cli: Cli) -> None:
    out = cli("jobs")
    for name in shipped_jobs():
        spec = read_job(examples() / name)
        assert spec.title in out
        assert spec.limits, "what the figures do not show"
        assert spec.users and spec.today and spec.error, "whom it is for, and what an error costs"
        assert spec.answer.endswith(".")
        assert spec.picture in {str(step.get("name", step["kind"])) for step in spec.steps}
        readme = (examples() / name / "README.md").read_text()
        assert f"edgewright jobs run {name}" in readme
    assert {"activity", "room"} <= set(shipped_jobs())


def test_a_new_job_is_made_of_a_persons_own_data_and_runs(desk: Path, tmp_path: Path, cli: Cli) -> None:
    job_folder = tmp_path / "mine"
    cli("jobs", "new", job_folder, "--data", desk / "rows.csv", "--target", "state", "--group", "place", "--yes")
    names = ["data.md", "device.toml", "job.toml", "pipeline.toml"]
    assert sorted(path.name for path in job_folder.iterdir()) == names
    assert [step["kind"] for step in read_job(job_folder).steps] == ["ladder", "run", "prove", "replay"]
    err = cli("jobs", "new", job_folder, "--data", desk / "rows.csv", "--yes", code=2)
    assert "a folder that does not exist yet" in err
    assert sorted(path.name for path in job_folder.iterdir()) == names


def test_a_time_line_draws_every_stretch_and_escapes_labels() -> None:
    line = Timeline(
        title="day",
        seconds=7200,
        labels=("<away>", "there"),
        truth=(Stretch(label="<away>", start=0, end=3600), Stretch(label="there", start=3600, end=7200)),
        answers=(Stretch(label="<away>", start=60, end=7200),),
        states=(Stretch(label="dark", start=60, end=7200),),
        marks=(Mark(time=10, kind="alarm", text="there"), Mark(time=3600, kind="missed", text="there")),
    )
    html = str(timeline_html(line))
    assert html.count("<rect ") == 4
    assert "<away>" not in html
    assert "truth: there, 60 to 120 min" in html
    assert "missed: there at 60 min" in html
    assert "1 alarm, 1 missed" in html
    assert "a cross is a missed event" in html
    assert "Squares" not in html
    assert html.index("alarm: there") < html.index("missed: there")
    assert "paper" not in html, "an edge hides the marks beside it"


def test_a_time_line_draws_what_was_measured_above_it_in_its_own_unit() -> None:
    spike = tuple((float(i), 9.0 if i == 4321 else 0.0) for i in range(10_000))
    line = Timeline(
        title="life", seconds=10_000, unit="cycles since new", labels=("maintenance",), truth=(),
        answers=(Stretch(label="maintenance", start=9_000, end=9_500),),
        signals=((JobCurve(name="<wear>", points=spike), JobCurve(name="limit", points=((0.0, 5.0), (9_999.0, 5.0)))),),
    )  # fmt: skip
    html = str(timeline_html(line))
    wear, limit = re.findall(r'<polyline points="([^"]+)"', html)
    heights = [float(point.split(",")[1]) for point in wear.split()]
    assert len(heights) <= 800
    assert min(heights) < float(limit.split(",")[1].split()[0]) < max(heights), "the peak of one row is drawn"
    assert ">9<" in html
    assert "&lt;wear&gt;" in html
    assert "maintenance, 9000 to 9500 cycles since new" in html
    assert ">cycles since new<" in html


def test_a_drawing_keeps_the_seconds_around_the_first_right_alarm(done: Path) -> None:
    line = record_of(done).steps[1].timeline
    assert line is not None
    marks = (Mark(time=150, kind="alarm", text=""), Mark(time=20, kind="missed", text=""))
    assert replay_step._drawn_seconds(marks, line.seconds, 60) == (120, 180)
    assert replay_step._drawn_seconds((), line.seconds, 60) == (0, 60)
    assert replay_step._drawn_seconds(marks, line.seconds, 0) == (0, line.seconds)
    cut = replay_step._cut(msgspec.structs.replace(line, marks=marks), 120, 180)
    assert [(mark.time, mark.kind) for mark in cut.marks] == [(30, "alarm")]
    assert cut.seconds == 60
    assert cut.title == f"{line.title}, 1 min from 2 min on"
    # Somebody sits there in the second half of each 80 s.
    assert [(part.label, part.start, part.end) for part in cut.truth] == [("there", 0, 40), ("away", 40, 60)]
    assert all(0 <= part.start < part.end <= 60 for part in (*cut.answers, *cut.states))


def test_columns_that_end_with_their_offset_are_one_curve() -> None:
    offsets = replay_step._columns_of("s_*", ["s_-2", "other", "s_2"], "here")
    assert offsets == {-2: 0, 2: 2}
    rows = np.array([[1, 9, 2], [np.nan, 9, 3]], np.float32)
    tape = replay_step._Tape("tape", "", np.array([10.0, 11.0]), (), (), rows)
    (curve,) = replay_step._curve("s_*", tape, offsets, 4.0, 9.0, 12.0)
    assert curve == JobCurve(name="s", points=((0.5, 1.0), (1.5, 2.0), (2.5, 3.0)))
    (later,) = replay_step._curve("s_*", tape, offsets, 4.0, 10.4, 11.0)
    assert [value for _, value in later.points] == [2.0]


def test_a_long_signal_keeps_its_peaks_in_few_points() -> None:
    rows = np.zeros((200_000, 1), np.float32)
    rows[123_456] = 7.0
    tape = replay_step._Tape("tape", "", np.arange(200_000) / 100.0, (), (), rows)
    (curve,) = replay_step._curve("s", tape, {0: 0}, 1.0, 0.0, 1_999.99)
    assert len(curve.points) <= 800
    assert (1234.56, 7.0) in curve.points


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no column 't_\\*'"):
        replay_step._columns_of("t_*", ["s_-2"], "here")


def test_the_road_is_drawn_from_above_without_cars_out_of_sight() -> None:
    frames = (
        LaneFrame(time=0.5, action="brake, not <go>", others=((20.0, 0.0), (40.0, 4.0), (900.0, 0.0), (-60.0, 4.0))),
        LaneFrame(time=1.0, action="hold", others=()),
    )
    html = str(lane_view_html(LaneView(title="Road", lanes=2, lane=0, width=4.0, frames=frames)))
    assert html.count("the own car: ") == 2
    assert re.findall(r"another car, (\d+) m ahead", html) == ["20", "40"]
    assert "<go>" not in html
    own, first, second = (float(y) for y in re.findall(r' y="([\d.]+)" width="35"', html)[:3])
    assert own == first
    assert second - own == pytest.approx(4.0 * 7.0)


def test_a_time_line_has_names_of_its_own_and_no_lane_without_stretches() -> None:
    line = Timeline(
        title="typing", seconds=10, labels=("typed",), truth=(),
        answers=(Stretch(label="typed", start=0, end=4),), states=(Stretch(label="press", start=0, end=9),),
        marks=(Mark(time=4, kind="alarm", text="press"),), keys=("none", "keys", "words"),
        note="A triangle is a choice.",
    )  # fmt: skip
    html = str(timeline_html(line))
    assert [word in html for word in (">keys<", ">words<", ">none<", ">states<")] == [True, True, False, False]
    assert "keys: typed, 0 to 4 s" in html
    assert "word: press, 0 to 9 s" in html
    assert "typing. A triangle is a choice." in html
    assert "labelled time" not in html


def test_a_step_that_fails_late_keeps_what_the_others_made(desk: Path, tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    for path in desk.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "lamp.toml").write_text("name = 'lamp'")
    err = cli("jobs", "run", folder, "--data", folder / "rows.csv", "--out", tmp_path / "runs", code=1)
    assert "the job desk failed at replay" in err
    job_folder = tmp_path / "runs" / "desk"
    assert (job_folder / "desk" / "trace.json").is_file()
    assert "lamp.toml" in (job_folder / "job.html").read_text()
    assert record_of(job_folder).answer.startswith("No answer: Replay on the device failed.")


def test_a_page_keeps_names_small_and_bounds_short() -> None:
    figure = JobFigure(name="coverage", title="truth inside", value=0.904)
    step = StepRecord(
        name="intervals", kind="intervals", title="Intervals", figures=(figure,),
        says=("intervals/turbofan.edge carries them", "the worst holds 41 %.", "realTweets: 81.0"),
    )  # fmt: skip
    target = Target(step="intervals", figure="coverage", minimum=0.88, maximum=0.92)
    page = job_page(JobRecord(name="j", title="t", shows="s", limits=(), targets=(target,), steps=(step,), error="No"))
    assert "<dt>an error</dt><dd>No</dd>" in page
    assert "<dt>today" not in page
    assert ".880 to .920" in page
    for sentence in ("intervals/turbofan.edge carries them.", "The worst holds 41 %.", "realTweets: 81.0."):
        assert f">{sentence}" in page
    assert bound_text(Target(step="a", figure="b", maximum=5), "1") == "at most 5"
    assert bound_text(Target(step="a", figure="b", minimum=5), "1") == "at least 5"


def _stop_at(monkeypatch: pytest.MonkeyPatch, step: ModuleType) -> None:
    """Let a step leave something half-written and be stopped."""

    def stopped(config: object, work: Work) -> StepRecord:
        (work.out / "half").mkdir()
        (work.out / "half" / "rows").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(step, "STEP", replace(step.STEP, run=stopped))


def _never(config: object, work: Work) -> StepRecord:
    raise AssertionError("a finished step runs again")


def test_a_job_that_was_stopped_goes_on_behind_its_last_finished_step(
    cli: Cli, desk: Path, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("jobs", "run", desk, "--data", desk / "rows.csv", "--out", tmp_path)
    with monkeypatch.context() as patch:
        _stop_at(patch, replay_step)
        text = cli(*given, code=INTERRUPTED)
    assert "the finished steps are kept. Go on with: edgewright jobs run" in text
    assert "--resume" in text
    (kept,) = stopped_folders(tmp_path, "desk", FINISHED_STEPS)
    with locked(kept):
        assert "got one that another process goes on with" in cli(*given, "--resume", code=2)
    # As the process that was stopped left it.
    kept.rename(kept.with_name(f".desk-{ended_process()}-stopped.tmp"))
    monkeypatch.setattr(run_step, "STEP", replace(run_step.STEP, run=_never))
    cli(*given, "--resume")
    assert left_in(tmp_path) == ["desk"]
    assert sorted(path.name for path in (tmp_path / "desk").iterdir()) == sorted(path.name for path in done.iterdir())
    recorded, usual = record_of(tmp_path / "desk"), record_of(done)
    assert [(step.name, step.says) for step in recorded.steps] == [(step.name, step.says) for step in usual.steps]
    assert "a job that was stopped behind a finished step" in cli(*given, "--resume", code=2)


def test_a_full_disk_stops_a_job_that_goes_on(
    cli: Cli, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(config: object, work: Work) -> StepRecord:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", _no_space)
            write_atomic(work.out / "rows", b"1")
        raise AssertionError

    given = ("jobs", "run", desk, "--data", desk / "rows.csv", "--out", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(replay_step, "STEP", replace(replay_step.STEP, run=full))
        text = cli(*given, code=OUTPUT_FAILED)
    assert "got No space left on device" in text and "go on with --resume" in text
    monkeypatch.setattr(run_step, "STEP", replace(run_step.STEP, run=_never))
    cli(*given, "--resume")
    assert left_in(tmp_path) == ["desk"]


def _no_space(handle: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_stopped_job_does_not_go_on_with_other_rows(
    cli: Cli, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tmp_path / "other" / "rows.csv"
    rows.parent.mkdir()
    shutil.copy(desk / "rows.csv", rows)
    given = ("jobs", "run", desk, "--data", rows, "--out", tmp_path)
    with monkeypatch.context() as patch:
        _stop_at(patch, replay_step)
        cli(*given, code=INTERRUPTED)
    text = rows.read_text()
    rows.write_text(text[:-2] + ("1" if text[-2] == "0" else "0") + text[-1])
    assert "the version of Edgewright that were stopped, got another one" in cli(*given, "--resume", code=2)
    monkeypatch.setattr(run_step, "STEP", replace(run_step.STEP, run=_never))
    rows.write_text(text)
    cli(*given, "--resume")


def test_a_stopped_job_does_not_go_on_as_another_one(
    cli: Cli, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, runs = tmp_path / "desk", tmp_path / "runs"
    shutil.copytree(desk, folder)
    given = ("jobs", "run", folder, "--data", folder / "rows.csv", "--out", runs)
    with monkeypatch.context() as patch:
        _stop_at(patch, replay_step)
        cli(*given, code=INTERRUPTED)
    (folder / "lamp.toml").write_text(LAMP.replace("600", "60"))
    assert "the version of Edgewright that were stopped, got another one" in cli(*given, "--resume", code=2)
    (kept,) = stopped_folders(runs, "desk", FINISHED_STEPS)
    (kept / FINISHED_STEPS).write_text("{")
    assert "Leave out --resume to begin again" in cli(*given, "--resume", code=2)
    # A whole job of that name leaves nothing of the stopped one.
    cli(*given)
    assert left_in(runs) == ["desk"]


def test_a_job_that_was_stopped_in_its_first_step_leaves_nothing(
    cli: Cli, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stop_at(monkeypatch, run_step)
    cli("jobs", "run", desk, "--data", desk / "rows.csv", "--out", tmp_path, code=INTERRUPTED)
    assert left_in(tmp_path) == []
