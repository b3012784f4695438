"""Shields, planners and episodes: a table whose states are all checked, a watchdog, and a policy that is judged."""

from __future__ import annotations

import importlib.util
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.state_machine.validation import check_table
from edgewright.jobs.catalogue import examples
from edgewright.jobs.simulation import Environment, EnvironmentSpec, read_environment
from edgewright.jobs.simulation.perceptions.lane import FREE, PERCEPTION, rows_of
from edgewright.jobs.simulation.sight import _follows, _Known
from edgewright.jobs.steps.drive import Drive, _timeline
from edgewright.jobs.steps.episodes import PlanTask, label
from edgewright.jobs.steps.shield import (
    Envelope,
    Level,
    Shield,
    check_shield,
    needed_gap,
    read_envelope,
    shield_table,
)
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobRecord
from edgewright.schema.state_table import StateTable
from support import left_out

SMALL = Envelope(
    period=0.5, frame=0.25, lead_brake=6.0, margin=2.0, fastest=12.0, step=6.0, sight=40.0, patience=0.75,
    levels=(
        Level(state="brake", acceleration=-6.0), Level(state="hold", acceleration=0.0),
        Level(state="go", acceleration=3.0),
    ),
)  # fmt: skip
CART = """
id = "CartPole-v1"
actions = ["left", "right"]
period = 0.02
"""


@pytest.fixture(scope="module")
def table() -> StateTable:
    return shield_table(SMALL)


def need(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        left_out(f"{name} (pip install 'edgewright[driving]')")


def test_a_gap_holds_the_way_until_one_stands_behind_someone_who_stands() -> None:
    fine = msgspec.structs.replace(SMALL, frame=0.001)
    # The way while nothing changes yet, the braking distance, and the margin.
    assert needed_gap(fine, 12.0, 0.0, 0.0) == pytest.approx(12 * 0.75 + 12**2 / 12 + 2, abs=0.1)
    # Equal brakes and speeds: the way until the watchdog calls is what is left.
    assert needed_gap(fine, 12.0, 12.0, 0.0) == pytest.approx(12 * 0.75 + 2, abs=0.1)
    assert needed_gap(fine, 0.0, 12.0, 0.0) == pytest.approx(2.0)


def test_every_state_of_the_table_leaves_braking_as_a_way_out(table: StateTable) -> None:
    shield = check_shield(SMALL, check_table(table, "shield"))
    assert shield.states == 2 * 3 * 41
    assert shield.transitions > 1000
    assert 0 < shield.free < 1
    assert shield.broken == ()


def test_a_row_that_allows_too_much_is_found(table: StateTable) -> None:
    rows = list(table.steps)
    index = next(i for i, row in enumerate(rows) if row.to == "go" and "lead >= 0" in row.when)
    speed = rows[index].when.split(" and ")[0]
    rows[index] = msgspec.structs.replace(rows[index], when=f"{speed} and lead >= 0 and gap >= 3")
    broken = check_shield(SMALL, check_table(msgspec.structs.replace(table, steps=tuple(rows)), "shield")).broken
    assert broken
    assert all("ahead 0" in text or "ahead 6" in text or "ahead 12" in text for text in broken)


def test_late_missing_and_unsure_perception_lead_to_the_safe_state(table: StateTable) -> None:
    shield = Shield(SMALL, check_table(table, "shield"))
    clear = {"speed": 5.0, "lead": 12.0, "gap": 40.0}
    assert shield.state == "blind"
    assert shield.limit(0.0, clear, sure=True) == 2
    assert shield.limit(0.5, clear, sure=True) == 2
    assert shield.limit(1.0, None, sure=False) == 0
    assert shield.state == "blind"
    assert shield.limit(1.5, clear, sure=True) == 2
    assert shield.limit(2.0, clear, sure=False) == 0
    assert shield.state == "blind"
    # A distance that is not known allows nothing but braking, and neither does one that is short.
    assert shield.limit(2.5, {**clear, "gap": float("nan")}, sure=True) == 0
    assert shield.limit(3.0, {**clear, "gap": 1.0}, sure=True) == 0
    assert shield.state == "brake"


def test_perception_that_fails_or_contradicts_itself_too_often_is_a_safe_stop(table: StateTable) -> None:
    shield = Shield(SMALL, check_table(table, "shield"))
    clear = {"speed": 5.0, "lead": 12.0, "gap": 40.0}
    contradict, missing = (0.5, 1.5, 2.0, 9.0, 9.5), (8.0, 10.0)
    stopped = []
    for time in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 8.0, 8.5, 9.0, 9.5, 10.0):
        names, fits = None if time in missing else clear, time not in contradict
        assert shield.limit(time, names, sure=names is not None, fits=fits) == (2 if names and fits else 0)
        stopped.append(shield.stopped)
    # Three of them within five seconds are too few; a turn that is missing counts like them.
    assert not any(stopped[:-1])
    assert stopped[-1]
    assert shield.limit(10.5, clear, sure=True) == 0
    assert shield.state == "blind"


def _known(time: float, gap: tuple[float, float], lead: tuple[float, float], speed: float = 20.0) -> _Known:
    return _Known(time, speed, np.array(gap), np.array(lead))


@pytest.mark.parametrize(
    ("gap", "lead", "fits"),
    [
        # Half a second behind 30 to 40 m at 18 to 22 m/s: 28.25 to 41.75 m, and 15 to 25 m/s.
        ((28.0, 38.0), (18.0, 22.0), True),
        ((41.0, 50.0), (18.0, 22.0), True),
        ((42.0, 52.0), (18.0, 22.0), False),
        ((18.0, 28.0), (18.0, 22.0), False),
        ((30.0, 40.0), (25.5, 29.0), False),
        ((30.0, 40.0), (10.0, 14.5), False),
    ],
)
def test_intervals_follow_from_earlier_ones(gap: tuple[float, float], lead: tuple[float, float], fits: bool) -> None:
    assert _follows(_known(1.0, (30.0, 40.0), (18.0, 22.0)), _known(1.5, gap, lead), 6.0) is fits
    # A turn that is missing between them allows more.
    assert _follows(_known(0.0, (30.0, 40.0), (18.0, 22.0)), _known(1.5, gap, lead), 6.0)


def test_whoever_comes_into_reach_contradicts_nothing_but_whoever_is_suddenly_near_does() -> None:
    free = _known(0.0, (100.0, 125.0), (18.0, 22.0))
    assert _follows(free, _known(0.5, (90.0, 110.0), (5.0, 9.0)), 6.0)
    assert not _follows(free, _known(0.5, (20.0, 30.0), (18.0, 22.0)), 6.0)


@pytest.mark.slow
def test_the_environments_own_driver_takes_over_and_somebody_is_sent_into_the_lane() -> None:
    need("highway_env")
    environment = Environment(read_environment(examples() / "vehicle" / "environment.toml"), "environment.toml")
    sent = 0
    for seed in range(10):
        environment.reset(seed)
        environment.give_to_rule()
        own, ended, cut = environment.env.unwrapped.vehicle, False, False
        assert type(own).__name__ == "IDMVehicle"
        while not ended:
            if not cut and environment.cut_in():
                cut = True
                others = environment.env.unwrapped.road.vehicles
                assert any(other.target_lane_index == own.lane_index != other.lane_index for other in others)
            *_, ended = environment.step(0)
            assert own.speed <= 30.5
        sent += cut
    assert sent


@pytest.mark.slow
def test_braking_ends_at_a_standstill_and_going_at_the_limit() -> None:
    need("highway_env")
    environment = Environment(read_environment(examples() / "vehicle" / "environment.toml"), "environment.toml")
    for action, low, high in ((0, -2.0, 26.0), (3, 24.0, 31.0)):
        seen, ended = environment.reset(1), False
        while not ended:
            assert low <= seen[0] <= high
            seen, *_, ended = environment.step(action)


def test_a_lane_has_the_nearest_ahead_and_whoever_moves_over() -> None:
    rows = np.array(
        [
            [1, 0, 0, 20, 0],
            [1, 30, 0, -4, 0],
            [1, 60, 0, 2, 0],
            [1, 15, -4, 1, 3],
            [1, -10, 4, 5, 0],
            [0, 1, 0, 0, 0],
        ]
    )  # fmt: skip
    assert PERCEPTION.read(rows, 0.1).tolist() == [20, 25, 16, 10, 21, FREE, 20]
    # In half a second the left one is here.
    assert PERCEPTION.read(rows, 0.5).tolist()[:3] == [20, 10, 21]


@pytest.mark.slow
def test_rows_without_pandas_are_those_of_the_simulator() -> None:
    need("highway_env")
    environment = Environment(read_environment(examples() / "vehicle" / "environment.toml"), "environment.toml")
    kind = environment.env.unwrapped.observation_type
    environment.reset(5)
    for _ in range(6):
        assert np.allclose(type(kind).observe(kind), rows_of(kind))
        environment.step(2)


def test_the_assumptions_of_a_shield_are_checked(tmp_path: Path) -> None:
    text = (examples() / "vehicle" / "envelope.toml").read_text()
    (tmp_path / "late.toml").write_text(text.replace("patience = 0.75", "patience = 0.4"))
    with pytest.raises(InputError, match="patience between one and two periods"):
        read_envelope(tmp_path / "late.toml")
    (tmp_path / "order.toml").write_text(text.replace("acceleration = -3.0", "acceleration = -9.0"))
    with pytest.raises(InputError, match="hardest braking"):
        read_envelope(tmp_path / "order.toml")


def test_a_planner_labels_any_environment_of_gymnasium(tmp_path: Path) -> None:
    need("gymnasium")
    path = tmp_path / "cart.toml"
    path.write_text(CART)
    # Twelve decisions ahead see the pole fall: looking ahead keeps it up longer than one constant action.
    environment = Environment(read_environment(path), path.name)
    assert environment.columns == ("x0", "x1", "x2", "x3")
    ended, alone = False, 0
    environment.reset(3)
    while not ended:
        *_, ended = environment.step(0)
        alone += 1
    labelled = label(PlanTask(path, 3, 12, 0.5))
    assert set(labelled.actions) == {"left", "right"}
    assert len(labelled.rows) > 2 * alone
    assert label(PlanTask(path, 3, 12, 0.5)) == labelled


def test_an_environment_that_is_none_or_has_other_actions_is_refused() -> None:
    need("gymnasium")
    with pytest.raises(InputError, match="an environment of Gymnasium"):
        Environment(EnvironmentSpec(id="CartPol-v1", actions=("a", "b"), period=1.0), "e.toml")
    with pytest.raises(InputError, match="the 3 actions a, b, c, got 2 actions"):
        Environment(EnvironmentSpec(id="CartPole-v1", actions=("a", "b", "c"), period=1.0), "e.toml")


@pytest.mark.slow
def test_a_small_drive_is_judged_with_and_without_its_shield(tmp_path: Path, cli: Cli) -> None:
    need("highway_env")
    folder = tmp_path / "car"
    folder.mkdir()
    for path in (examples() / "vehicle").glob("*.toml"):
        (folder / path.name).write_text(path.read_text())
    job = re.sub(r"episodes = \d+\nahead = \d+", "episodes = 5\nahead = 1", (folder / "job.toml").read_text())
    job = re.sub(r"episodes = \d+\ncalibrate = \d+", "episodes = 6\ncalibrate = 3", job)
    few = "episodes = 6\nbare = 4\nrule = 5\nfaulty = 3"
    job = re.sub(r"episodes = 1000\nbare = \d+\nrule = \d+\nfaulty = \d+", few, job)
    # A proof of the policy is enough here: those of the larger networks compile most of the time.
    job = re.sub(r'\[\[steps\]\]\nkind = "prove"\nrun = "(gap|closing)"\nname = "\w+"\n\n', "", job)
    (folder / "job.toml").write_text(job)
    for name, long, short in (("envelope", "step = 1.5", "step = 3.0"), ("perception", "epochs = 40", "epochs = 8")):
        text = (folder / f"{name}.toml").read_text()
        assert long in text
        (folder / f"{name}.toml").write_text(text.replace(long, short))
    record = msgspec.convert(cli.json("jobs", "run", folder, "--out", tmp_path / "runs"), JobRecord)
    names = "scans gap closing calibrate episodes run prove shield drive"
    assert [step.name for step in record.steps] == names.split()
    assert all(step.passed for step in record.steps)
    seen = {figure.name: figure for figure in record.steps[3].figures}
    assert {"gap_inside", "closing_inside", "gap_mae", "closing_below", "lanes"} <= seen.keys()
    assert all(seen[f"{name}_below"].value + seen[f"{name}_inside"].value < 1 + 1e-9 for name in ("gap", "closing"))
    assert len(list((tmp_path / "runs" / "car" / "calibrate").glob("*.edge"))) == 2
    view = record.steps[-1].lane_view
    assert view is not None
    assert 0 <= view.lane < view.lanes == 2
    assert [frame.time for frame in view.frames] == sorted({frame.time for frame in view.frames})
    assert any(frame.others for frame in view.frames)
    # Others drive in lanes, so many metres to the side of the own one, or between them where they change.
    assert all(abs(right) < 4.5 for frame in view.frames for _, right in frame.others)
    figures = {figure.name: figure.value for figure in record.steps[-1].figures}
    assert figures["preventable"] == 0
    assert figures["exposed"] == 0
    assert figures["with"] <= figures["without"]
    assert figures["speed_with"] > 1
    assert figures["speed_rule"] > 1
    for fault in ("dropout", "latency", "calibration", "cut_in"):
        assert {fault, f"{fault}_stopped", f"{fault}_doubted"} <= figures.keys()
    gain = next(figure for figure in record.steps[-1].figures if figure.name == "speed_gain")
    assert gain.interval is not None
    assert gain.interval.low <= gain.value <= gain.interval.high
    assert record.steps[-1].timeline is not None
    assert {one.label for one in record.steps[-1].timeline.states} <= {"blind", "brake", "slow", "hold", "go"}


@pytest.mark.parametrize("seed", range(12))
def test_a_timeline_tells_every_decision_and_where_perception_fails(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spec: Any = SimpleNamespace(actions=["left", "right", "brake"], period=0.25)
    wanted, done = rng.integers(-1, 3, 30).tolist(), rng.integers(0, 3, 30).tolist()
    states = rng.choice(["free", "near"], 30).tolist()
    episode = Drive(bool(seed % 2), False, tuple(wanted), tuple(done), tuple(states), (), 0.0, 0, seed % 3)
    timeline = _timeline(spec, episode)
    assert timeline.seconds == 7.5 and timeline.labels == ("left", "right", "brake")
    assert ("with faults" in timeline.title) == bool(seed % 3)
    for stretches, words in (
        (timeline.truth, ["" if number < 0 else spec.actions[number] for number in wanted]),
        (timeline.answers, [spec.actions[number] for number in done]),
        (timeline.states, states),
    ):
        labels = [
            next((part.label for part in stretches if part.start <= (number + 0.5) / 4 < part.end), "")
            for number in range(30)
        ]
        assert labels == words
        # Neighbours differ, or they would be one stretch.
        assert all(a.end < b.start or a.label != b.label for a, b in pairwise(stretches))
    lost = [number for number in range(30) if wanted[number] < 0 and (number == 0 or wanted[number - 1] >= 0)]
    crash = [("false alarm", 7.5)] if seed % 2 else []
    assert [(mark.kind, mark.time) for mark in timeline.marks] == [*(("event", number / 4) for number in lost), *crash]
