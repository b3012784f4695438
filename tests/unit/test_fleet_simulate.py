"""A simulated fleet: the same story for a seed, rules that can fail, and a simulated disk that keeps what it must."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from edgewright.cli.fleet.simulate import command
from edgewright.fleet.agent.state import State
from edgewright.fleet.simulate.disk import Disk, DiskDatabase, DiskSlots, PowerCut
from edgewright.fleet.simulate.drawing import lines
from edgewright.fleet.simulate.result import Result
from edgewright.fleet.simulate.run import Settings, faults, simulate
from edgewright.fleet.simulate.world import BEGIN, Drawn, World
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.fleet_plan import Release
from edgewright.schema.fleet_report import Outcome

RELEASE = Release(product="pump", counter=4, target="packages/pump-4.edge", sha256="a" * 64, length=3)


def small(fault: str = "bad-model", seed: int = 0) -> Result:
    return simulate(Settings(devices=16, days=0.25, fault=fault, seed=seed))


@pytest.fixture(scope="module")
def bad() -> Result:
    return small()


@pytest.mark.slow
def test_one_seed_tells_one_story_and_another_seed_another(bad: Result) -> None:
    assert msgspec.json.encode(small()) == msgspec.json.encode(bad)
    assert msgspec.json.encode(small(seed=1)) != msgspec.json.encode(bad)


def test_a_bad_model_is_halted_in_the_canary_and_everybody_is_back(bad: Result) -> None:
    assert bad.good, [one for one in bad.held if not one.held]
    assert bad.halted is not None
    assert 0 < bad.exposed <= bad.canary < bad.devices
    assert any(point.versions.get(2) for point in bad.timeline)
    assert bad.timeline[-1].versions.get(2, 0) == 0
    assert {one.name for one in bad.held} >= {"halted", "in time", "exposed", "all back", "nobody is bricked"}


def test_what_is_printed_says_what_happened_and_draws_it(bad: Result) -> None:
    text = "\n".join(lines(bad))
    assert "HALTED" in text
    assert "release 2 |" in text
    assert "VIOLATED" not in text
    widths = {len(line.split("|")[1]) for line in text.splitlines() if line.count("|") == 2}
    assert widths == {64}


def test_things_happen_in_order_of_time_and_then_of_asking() -> None:
    world, seen = World(), list[str]()
    world.after(5.0, lambda: seen.append("late"))
    world.after(1.0, lambda: seen.append("first"))
    world.after(1.0, lambda: seen.append("second"))
    world.at(0.0, lambda: seen.append("past"))
    world.run(BEGIN + 2.0)
    assert seen == ["past", "first", "second"]
    assert world.now == BEGIN + 2.0
    world.run(BEGIN + 9.0)
    assert seen[-1] == "late"


def test_chance_belongs_to_a_name() -> None:
    one, again, other = Drawn(1, "a"), Drawn(1, "a"), Drawn(1, "b")
    drawn = [one.share() for _ in range(200)]
    assert drawn == [again.share() for _ in range(200)]
    assert drawn != [other.share() for _ in range(200)]
    assert 0.0 <= min(drawn) < 0.1
    assert 0.9 < max(drawn) < 1.0
    assert len(one.bytes(70)) == 70


def test_a_power_cut_before_a_commit_loses_it_and_after_it_does_not() -> None:
    disk = Disk()
    state = State(DiskDatabase(disk))
    told = Outcome(number=0, plan="p", counter=4, what="tested")
    for cuts, kept in ((1, 0), (2, 1)):
        count = 0

        def cut(least: int = cuts) -> None:
            nonlocal count
            count += 1
            if count >= least:
                raise PowerCut

        disk.cut = cut
        with pytest.raises(PowerCut):
            state.change([told], product="pump", active="b")
        disk.cut = None
        state = State(DiskDatabase(disk))
        assert len(state.outcomes) == kept
        assert state.held.active == ("b" if kept else "")


def test_a_statement_that_the_simulated_file_does_not_know_is_an_error() -> None:
    with pytest.raises(NotImplementedError):
        DiskDatabase(Disk()).execute("UPDATE kept SET value = ''")
    database = DiskDatabase(Disk())
    with pytest.raises(NotImplementedError), database.transaction():
        database.execute("INSERT INTO elsewhere(a) VALUES (1)")


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


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UnknownNameError):
        small("no-such-fault")
    for settings in (Settings(devices=2), Settings(devices=50, rate=1.5), Settings(devices=50, days=0.01)):
        with pytest.raises(InputError):
            simulate(settings)


def test_every_fault_says_what_is_broken_and_what_must_hold() -> None:
    known = faults()
    assert {"none", "bad-model", "crash-loop", "offline", "clones", "stolen-online-key"} <= set(known)
    for name, fault in known.items():
        assert "5 %" in fault.words(0.05) or "{rate}" not in fault.broken, name
        assert fault.holds or name == "corrupt-downloads", name


def test_the_command_prints_the_faults_and_refuses_a_rate_that_is_none() -> None:
    listed = CliRunner().invoke(command, ["--list"])
    assert listed.exit_code == 0
    assert "bad-model" in listed.output
    refused = CliRunner().invoke(command, ["16", "--break", "liars:many"])
    assert isinstance(refused.exception, InputError)


@pytest.mark.slow
def test_the_command_writes_a_page_that_is_whole(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        command, ["16", "--break", "bad-model", "--days", "0.25", "--out", str(tmp_path / "o")], standalone_mode=False
    )
    assert done.return_value == 0, done.output
    page = (tmp_path / "o" / "simulation.html").read_text()
    assert "<svg" in page
    assert "HALTED" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert msgspec.json.decode((tmp_path / "o" / "simulation.json").read_bytes(), type=Result).devices == 16
