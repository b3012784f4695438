"""A simulated fleet: the same story for a seed, rules that can fail, and a simulated disk that keeps what it must."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from cli_runner import Cli
from edgewright.cli.commands.fleet.simulate import command
from edgewright.core.errors import InputError, OutputError
from edgewright.core.records.fleet import Outcome, Release
from edgewright.device.store.records import Item
from edgewright.fleet.device.reports import PoisonIsolation
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.options import PlanOptions
from edgewright.fleet.simulator.behaviour import GOOD, Behaviour, worse
from edgewright.fleet.simulator.disk import EVERY, HOLDS, Disk, DiskSlots, KeptState, PowerCut, SimulatedOutbox
from edgewright.fleet.simulator.fault import SHORTEST, FaultSet, check_days, known_faults
from edgewright.fleet.simulator.fleet import Settings
from edgewright.fleet.simulator.invariants import RULES
from edgewright.fleet.simulator.network import BEGIN, Clock, EventQueue, SeededRandom
from edgewright.fleet.simulator.result import BEGINS, Result, lines, minimum_days
from edgewright.fleet.simulator.simulation import Simulation, simulate
from simulated_plan import plan

PLAN = """
silence = 600
gates = [{measure = "failed", limit = 0.3, quorum = 1}]
[[stages]]
name = "labs"
percent = 100.0
cohorts = ["labs"]
dwell = 900
[[stages]]
name = "everybody"
percent = 100.0
dwell = 900
[cohorts.labs]
profiles = ["pi"]
"""
HALF = """
silence = 1800
gates = [{measure = "failed", limit = 0.2, quorum = 3}]
stages = [{name = "canary", percent = 50, dwell = 10800}, {name = "all", percent = 100, dwell = 7200}]
trial = {unsure = 0.3, drift = 0.5, alarms = 20}
"""
RELEASE = Release(product="pump", counter=4, target="packages/pump-4.edge", sha256="a" * 64, length=3)


def small(fault: str = "bad-model", seed: int = 0) -> Result:
    return simulate(Settings(devices=16, days=0.1, fault=fault, seed=seed, plan=plan()))


@pytest.fixture(scope="module")
def bad() -> Result:
    return small()


@pytest.mark.slow
def test_one_seed_tells_one_story_and_another_seed_another(bad: Result) -> None:
    assert msgspec.json.encode(small()) == msgspec.json.encode(bad)
    assert msgspec.json.encode(small(seed=1)) != msgspec.json.encode(bad)


@pytest.mark.slow
def test_a_bad_model_is_halted_in_the_canary_and_everybody_is_back(bad: Result) -> None:
    assert bad.good, [one for one in bad.verdicts if not one.holds]
    assert bad.halted is not None
    assert 0 < bad.exposed <= bad.canary < bad.devices
    assert any(point.versions.get(2) for point in bad.timeline)
    assert bad.timeline[-1].versions.get(2, 0) == 0
    assert {one.name for one in bad.verdicts} >= {"halted", "in time", "exposed", "all back", "no device is bricked"}


def test_what_is_printed_says_what_happened_and_draws_it(bad: Result) -> None:
    text = "\n".join(lines(bad))
    assert "HALTED" in text
    assert "release 2 |" in text
    assert "VIOLATED" not in text
    widths = {len(line.split("|")[1]) for line in text.splitlines() if line.count("|") == 2}
    assert widths == {56}
    assert max(map(len, text.splitlines())) <= 80
    assert "release 2: the new one" in text


def test_things_happen_in_order_of_time_and_then_of_asking() -> None:
    events, seen = EventQueue(), list[str]()
    events.after(5.0, lambda: seen.append("late"))
    events.after(1.0, lambda: seen.append("first"))
    events.after(1.0, lambda: seen.append("second"))
    events.at(0.0, lambda: seen.append("past"))
    events.run(BEGIN + 2.0)
    assert seen == ["past", "first", "second"]
    assert events.now == BEGIN + 2.0
    events.run(BEGIN + 9.0)
    assert seen[-1] == "late"


def test_chance_belongs_to_a_name() -> None:
    one, again, other = SeededRandom(1, "a"), SeededRandom(1, "a"), SeededRandom(1, "b")
    shares = [one.share() for _ in range(200)]
    assert shares == [again.share() for _ in range(200)]
    assert shares != [other.share() for _ in range(200)]
    assert 0.0 <= min(shares) < 0.1
    assert 0.9 < max(shares) < 1.0
    assert len(one.bytes(70)) == 70


def test_a_power_cut_before_a_commit_loses_it_and_after_it_does_not() -> None:
    disk = Disk()
    state = KeptState(disk)
    outcome = Outcome(number=0, plan="p", counter=4, result="tested")
    for cuts, kept in ((1, 0), (2, 1)):
        count = 0

        def cut(min_count: int = cuts) -> None:
            nonlocal count
            count += 1
            if count >= min_count:
                raise PowerCut

        disk.cut = cut
        with pytest.raises(PowerCut):
            state.change([outcome], product="pump", active="b")
        disk.cut = None
        state = KeptState(disk)
        assert len(state.outcomes) == kept
        assert state.device_state.active == ("b" if kept else "")


def test_a_slot_takes_only_the_bytes_that_were_signed() -> None:
    disk = Disk()
    slots = DiskSlots(disk)
    slots.write("b", 0, b"abd")
    assert not slots.finish("b", RELEASE, 2)
    assert slots.holds("b") is None
    assert slots.floor("b") == 2
    slots.put("b", RELEASE, 3)
    again = msgspec.structs.replace(RELEASE, counter=5)
    assert slots.finish("b", again, 1)
    assert slots.holds("b") == again
    assert slots.floor("b") == 3


def test_every_fault_says_what_is_broken_and_what_must_hold() -> None:
    known = known_faults()
    assert len(known) == 27
    for name, fault in known.items():
        assert "5 %" in fault.at(name, 0.05).words or "{rate}" not in fault.broken, name
        assert fault.holds or name == "corrupt-downloads", name


def test_rules_of_several_faults_are_those_that_hold_under_all_of_them() -> None:
    def of(*names: str) -> set[str]:
        return set(FaultSet([(name, None) for name in names]).holds)

    assert of("bad-model") == of("bad-model", "clock") >= {"in time", "all back"}
    assert of("bad-model") - of("bad-model", "lossy") == {"in time"}
    assert of("none", "lossy") == of("lossy")
    assert "a good release continues" not in of("lossy", "power-cuts") >= {"all devices update"}
    assert of("bad-model", "stolen-online-key") == {"nothing beyond the stage"}
    assert "clones are quarantined" in of("clones", "crash-loop")
    assert "clones are quarantined" not in of("clones", "control-plane-dead")  # nobody is there to do it


def test_the_worse_of_two_behaviours_has_what_is_bad_about_both() -> None:
    slow, dying = Behaviour(latency=2.0), Behaviour(crashes=9.0, unsure=0.4, well=60.0)
    both = worse(slow, dying)
    assert (both.latency, both.crashes, both.unsure, both.well) == (2.0, 9.0, 0.4, 0.0)
    assert worse(GOOD, dying) == worse(dying, GOOD) == dying
    assert worse(both, Behaviour(crashes=3.0)).crashes == 3.0


def test_days_are_enough_for_what_each_fault_must_show() -> None:
    for name, fault in known_faults().items():
        check_days(Settings(devices=16, fault=name))  # as many as it takes
        urgent = Settings(devices=16, fault=name, days=fault.days, plan=PlanOptions(find_within=0.0))
        check_days(urgent)
        assert SHORTEST <= FaultSet([(name, None)]).minimum_days(urgent) <= fault.days, name
    assert minimum_days(plan(), 0.0) * DAY > BEGINS + sum(stage.dwell for stage in plan().stages)


@pytest.mark.slow
def test_the_least_days_are_enough() -> None:
    for name in ("none", "clock-corrected"):
        settings = Settings(devices=12, fault=name, plan=plan())
        days = FaultSet([(name, None)]).minimum_days(settings)
        simulation = simulate(msgspec.structs.replace(settings, days=days))
        assert simulation.good, [one for one in simulation.verdicts if not one.holds]


@pytest.mark.slow
def test_a_clock_that_is_wrong_makes_nobody_a_clone_and_a_lie_sent_again_is_the_same() -> None:
    for fault, also in (("clones", ("clock", 0.4)), ("false-figures", ("lossy", 0.3))):
        simulation = simulate(Settings(devices=16, days=0.2, fault=fault, rate=0.3, also=(also,), seed=1, plan=plan()))
        late = {one.name for one in simulation.verdicts if not one.holds}
        assert late <= {"all devices update"}, simulation.verdicts  # the days are few


@pytest.mark.slow
def test_several_faults_at_once_are_told_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(HALF)
    requested = ["16", "--break", "bad-model", "--break", "lossy=20%", "--days", "0.1", "--out", str(tmp_path)]
    requested += ["--plan", str(file)]
    done = CliRunner().invoke(command, requested, standalone_mode=False)
    assert done.return_value == 0, done.output
    assert "lossy: requests and answers that were lost so far" in done.output
    document = msgspec.json.decode((tmp_path / "simulation.json").read_bytes(), type=Result)
    assert [(one.name, one.rate) for one in document.faults] == [("bad-model", 0.0), ("lossy", 0.2)]
    lost = [point.did["lossy"] for point in document.timeline]
    assert lost == sorted(lost)
    assert lost[-1] > 10
    assert document.timeline[-1].did["bad-model"] == document.exposed == document.timeline[-1].ended["activated"]
    page = (tmp_path / "simulation.html").read_text()
    assert page.count("<svg") == 4
    assert "Effect of each fault" in page
    assert "HALTED" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert ">minutes since the beginning</text>" in page  # hours would all be the same number


def test_an_outbox_keeps_alarms_and_drops_the_oldest_of_the_rest() -> None:
    events = EventQueue()
    box = SimulatedOutbox("device-1", Clock(events))
    events.run(BEGIN + 60 * EVERY)
    box.until = events.elapsed
    offered = [msgspec.json.decode(one, type=Item) for one in box.offered()]
    assert len(offered) == HOLDS == box.waiting
    assert box.dropped == 60 - HOLDS
    kinds = [one.kind for one in offered]
    assert kinds == ["event"] * 5 + ["rows"] * (HOLDS - 5)
    assert offered[5].put > offered[4].put - 30 * EVERY
    box.settle([(one.boot, one.sequence) for one in offered[:5]])
    assert (box.urgent(), box.drained) == (False, [events.elapsed, None])
    box.settle([(one.boot, one.sequence) for one in offered])
    assert (box.waiting, box.drained) == (0, [events.elapsed, events.elapsed])


def test_the_command_prints_the_faults() -> None:
    listed = CliRunner().invoke(command, ["--list"])
    assert listed.exit_code == 0
    assert "bad-model" in listed.output
    assert listed.output == CliRunner().invoke(command, ["--faults"]).output
    assert len(listed.output.splitlines()) == len(known_faults())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--break", "nonsense"], "'nonsense'"),
        (["--break", "bad_model"], "'bad-model'"),
        (["--break", "lossy=2"], "got 2"),
        (["--break", "lossy=nan"], "got nan"),
        (["--break", "liars=many"], "'many'"),
        (["--break", "lossy", "--break", "lossy"], "lossy twice"),
        (["0"], "got 0"),
        (["9" * 20], "1 to 1,000,000"),
        (["--days", "-1"], "got -1"),
        (["--days", "nan"], "got nan"),
        (["--days", "0.1"], "3.25 days"),
        (["--break", "offline", "--break", "lossy", "--days", "1"], "--days 2"),
        (["--break", "bad-model=0.5"], "--break bad-model"),
        (["--days", "1e9"], "0.1 to 60 days"),
    ],
)
def test_wrong_input_is_told_in_one_line_and_makes_no_folder(options: list[str], named: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [*options, "--out", str(tmp_path / "new")])
    assert isinstance(done.exception, InputError)
    assert named in str(done.exception)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_simulated(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    done = CliRunner().invoke(command, ["1000000", "--days", "60", "--out", str(tmp_path / "file")])
    assert isinstance(done.exception, OutputError)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_plan_file_is_rolled_out_and_progress_is_drawn_on_a_terminal_only(
    terminal: bool, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    (tmp_path / "plan.toml").write_text(PLAN)
    printed = cli("fleet", "simulate", 4, "--days", 0.1, "--report-every", 900, "--plan", tmp_path / "plan.toml")
    assert "labs 100 %, everybody 100 %" in " ".join(printed.split())
    assert "VIOLATED" not in printed
    assert ("4 devices" in cli.err and "100%" in cli.err) is terminal


def after(settings: Settings) -> Simulation:
    """Return a simulation that is over."""
    kept: list[Simulation] = []
    simulate(settings, kept.append)
    return kept[0]


@pytest.mark.slow
def test_a_device_that_hangs_for_good_is_bricked_although_its_files_are_whole() -> None:
    fleet = after(Settings(devices=4, days=0.1, fault="hangs", rate=1.0, plan=plan(75.0))).fleet
    dead = [device for device in fleet.devices if device.dead]
    assert dead
    assert all(one.disk.digests[one.device_state.active] for one in dead)
    assert not RULES["no device is bricked"](fleet).holds
    assert RULES["only the stage dies"](fleet).holds


@pytest.mark.slow
def test_a_device_that_is_kept_away_after_an_outage_is_not_late() -> None:
    fleet = after(
        Settings(devices=4, days=0.38, fault="offline", rate=1.0, also=(("outage", None),), plan=plan())
    ).fleet
    assert any(device.link.down for device in fleet.devices)
    assert RULES["drained after an outage"](fleet).holds


@pytest.mark.slow
def test_sure_and_wrong_answers_are_found_by_the_shares_of_the_classes() -> None:
    simulation = simulate(Settings(devices=16, days=0.1, fault="wrong-answers", plan=plan()))
    assert simulation.good, [one for one in simulation.verdicts if not one.holds]
    assert simulation.exposed <= simulation.within < simulation.devices


def test_a_device_whose_report_is_refused_alone_sets_its_item_aside() -> None:
    """Items of simulated devices are encoded as the store's are, which the device's own code decodes."""
    events = EventQueue()
    box = SimulatedOutbox("device-1", Clock(events))
    events.run(BEGIN + 2 * EVERY)
    isolation = PoisonIsolation()
    assert isolation.refused(box.offered()[:1], "expected numbers up to 2^53")
    assert isolation.suspect == ((1, 1), "expected numbers up to 2^53")
