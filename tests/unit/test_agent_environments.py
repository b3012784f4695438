"""Environments of the agent and its examples of settings."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import msgspec
import pytest
from benchmarks.faults.fleet_device import Device, plan
from click.testing import CliRunner

from agent_example import package
from edgewright.cli.main import cli
from edgewright.core.errors import InputError, WheelError
from edgewright.core.records.fleet import Acknowledged, TrialLimits
from edgewright.device.agent.settings import check_settings, read_settings
from edgewright.device.configuration import AgentConfig, AgentSettings, DriftSettings
from edgewright.device.timeline import TimelineConfig
from edgewright.fleet.device.agent_choice import MARKER, STARTS, AgentChoice, Environments, _fingerprint
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.layout import FOLDER, wheels_of
from support import ROOT, left_out

QUICK = TrialLimits(seconds=20.0, patience=300.0)


class Renewed(Device):
    """Release 1 and 5 carry an agent; this process is the one that the state names."""

    def environment(self) -> str:
        if not (self.folder / "update.sqlite").exists():
            return ""
        state = State.open(self.folder)
        state.close()
        return state.device_state.environment

    def prepare(self, slot: str) -> str:
        installed = self.slots.holds(slot)
        return {1: "one", 5: "five"}.get(installed.counter if installed else 0, "")

    def install(self, counter: int, old: int = 0) -> None:
        """Publish a release, activate it, and start what the state names."""
        self.fleet.publish(plan(counter, old=old, trial=QUICK))
        while self.state.device_state.counter != counter:
            self.run(2.0, max_step_s=2.0)
        self.restart()

    def acknowledged(self) -> None:
        self.state.acknowledge(Acknowledged(nonce=f"n{self.clock.now}", outcomes=self.state.device_state.outcome))


def test_a_new_agent_is_confirmed_by_its_own_report_and_goes_back_without_one(tmp_path: Path) -> None:
    device = Renewed(tmp_path / "d")
    device.acknowledged()  # of the agent before: it does not count for the new one
    device.install(1)
    device.run(60.0)
    assert (device.state.device_state.environment, device.state.device_state.floor) == ("one", 0)
    assert "has not reached the control plane" in device.agent.why
    device.acknowledged()
    device.run(5.0)
    assert (device.state.device_state.environment, device.state.device_state.floor) == ("one", 1)

    device.install(3)  # carries no agent
    device.run(60.0)
    assert (device.state.device_state.environment, device.state.device_state.floor) == ("one", 3)

    device.install(5, old=3)
    assert device.state.device_state.environment == "five"
    # The new agent never ends its own trial: the launcher does.
    device.run(600.0)
    assert device.state.device_state.environment == "five"


def test_an_abort_takes_a_confirmed_agent_back(tmp_path: Path) -> None:
    device = Renewed(tmp_path / "d")
    for counter in (1, 5):
        device.install(counter, old=1 if counter == 5 else 0)
        device.acknowledged()
        device.run(60.0)
    assert (device.state.device_state.environment, device.state.device_state.floor) == ("five", 5)
    device.fleet.stand("plan-5", "aborted", revert=True)
    device.run(70.0)
    assert (device.state.device_state.environment, device.state.device_state.counter) == ("one", 6)


def whole(folder: Path, name: str) -> None:
    """Lay down what `Environments.python` takes for whole: files and a marker of their hash."""
    environment = folder / "environments" / name
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").write_text("")
    (environment / MARKER).write_text(_fingerprint(environment))


def test_the_launcher_goes_back_from_an_agent_that_never_reports_or_is_damaged(tmp_path: Path) -> None:
    for damaged in (False, True):
        device = Renewed(tmp_path / f"d{damaged}")
        whole(device.folder, "one")
        device.install(1)
        device.state.close()
        for _ in range(STARTS):
            assert AgentChoice(device.folder).choose() == "one"
            if damaged:
                (device.folder / "environments" / "one" / "bin" / "python").write_text("torn")
                break
        assert AgentChoice(device.folder).choose() == ""
        state = State.open(device.folder)
        state.close()
        assert (state.device_state.environment, state.device_state.counter, state.device_state.burned) == ("", 0, (1,))
        assert state.outcomes[-1].because == ("damaged" if damaged else "start")


def test_a_confirmed_agent_that_is_damaged_gives_way_to_the_one_of_the_device(tmp_path: Path) -> None:
    device = Renewed(tmp_path / "d")
    whole(device.folder, "one")
    device.install(1)
    device.acknowledged()
    device.run(60.0)
    device.state.close()
    assert AgentChoice(device.folder).choose() == "one"
    Environments(device.folder).discard("one")
    assert AgentChoice(device.folder).choose() == ""
    state = State.open(device.folder)
    state.close()
    assert (state.device_state.environment, state.device_state.counter) == ("", 1)


@pytest.mark.parametrize("name", ["../a-1-py3-none-any.whl", "setup.py", "a.whl", "x/a-1-py3-none-any.whl"])
def test_what_is_no_wheel_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "p.edge", "w") as archive:
        archive.writestr(f"{FOLDER}{name}", b"")
    with pytest.raises(WheelError):
        wheels_of(tmp_path / "p.edge")


EXAMPLES = ROOT / "docs" / "examples"


def test_the_example_configuration_is_read_and_shows_the_defaults() -> None:
    configured = read_settings(EXAMPLES / "device.toml")
    assert configured.source is not None
    assert configured.source.kind == "http"
    table = tomllib.loads((EXAMPLES / "device.toml").read_text())
    defaults = msgspec.to_builtins(AgentConfig())
    changed = {key for key, value in table["agent"].items() if value != defaults[key]}
    assert changed == {"memory"}
    assert set(table["agent"]) == set(defaults)
    assert table["drift"] == pytest.approx(msgspec.to_builtins(DriftSettings()), abs=1e-6)
    timeline = msgspec.to_builtins(TimelineConfig())
    assert all(list(value) == list(timeline[key]) if key == "rests" else value == timeline[key]
               for key, value in table["timeline"].items())  # fmt: skip
    assert set(table) <= set(AgentSettings.__struct_fields__)


def test_the_check_command_names_what_would_run(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    (tmp_path / "heat.toml").write_text(
        'name = "heat"\nstates = ["a", "b"]\ninitial = "a"\nfallback = "stay"\nsteps = [\n'
        '{ state = "a", event = "row", when = "heat > 3", to = "b" },\n'
        '{ state = "b", event = "timeout", after = 1.0, to = "a" },\n]\n'
    )
    (tmp_path / "device.toml").write_text('[[packages]]\npath = "switch.edge"\n[[rules]]\npath = "heat.toml"\n')
    done = CliRunner().invoke(cli, ["device", "check", str(tmp_path / "device.toml")])
    assert done.exit_code == 0, done.output
    assert "package switch: level, heat at 50 Hz; float, engine " in done.output
    assert "rules heat: 2 states" in done.output
    assert done.output.endswith("device.toml can be run\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["device.toml", "heat.toml", "switch.edge"]
    (tmp_path / "device.toml").write_text('device = "bare"\n')
    done = CliRunner().invoke(cli, ["device", "check", str(tmp_path / "device.toml")])
    assert done.exit_code == 0
    assert done.output.endswith("with a package on the command line: it configures no work\n")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"souce": {}}, "no key 'souce'"),
        ({"source": {"port": 3}}, "the `kind` of a source"),
        ({"source": {"kind": "htp"}}, "Did you mean 'http'"),
        ({"source": {"kind": "http", "prt": 3}}, "no key 'prt'"),
        ({"sink": [{"kind": "folder"}]}, "the key `path`"),
        ({"timeline": {"stick": 3.0}}, "no key 'stick'"),
        ({"store": {"qota": 3}}, "no key 'qota'"),
        ({"agent": {"keep": "everything"}}, "no value of `keep` 'everything'"),
        ({"agent": {"streams": 0}}, "device.toml agent.streams"),
        ({"packages": [{"path": "a.edge", "decision": {"debouncing": 3}}]}, "no key 'debouncing'"),
        ({"commands": {"a b": {"run": ["/bin/true"]}}}, "device.toml commands"),
        ({"commands": {"a": {"run": []}}}, "device.toml commands"),
    ],
)
def test_settings_that_do_not_fit_are_named(table: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_settings(table, Path(), "device.toml")
    assert message in str(caught.value)
    assert "device.toml" in str(caught.value)


def test_systemd_understands_the_unit_file() -> None:
    if shutil.which("systemd-analyze") is None:
        left_out("no systemd-analyze on this machine")
    unit = EXAMPLES / "edgewright-device.service"
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    words = unit.read_text()
    assert all(word in words for word in ("MemoryMax=", "DynamicUser=yes", "WatchdogSec=", "NoNewPrivileges=yes"))


def test_check_refuses_a_sink_that_the_run_would_refuse(tmp_path: Path) -> None:
    (tmp_path / "device.toml").write_text('[[sink]]\nkind = "http"\nurl = "http://example.invalid/in"\n')
    done = CliRunner().invoke(cli, ["device", "check", str(tmp_path / "device.toml")])
    assert "TLS" in str(done.exception)
    assert "can be run" not in done.output


def test_files_of_sources_sinks_and_the_store_are_seen_from_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    path.write_text(
        '[source]\nkind = "mqtt"\nca = "ca.pem"\n[store]\nkey_file = "/etc/store.key"\n'
        '[[sink]]\nkind = "mqtt"\npassword_file = "secrets/room"\n[[sink]]\nkind = "folder"\npath = "out"\n'
    )
    settings = read_settings(path)
    assert settings.source is not None and getattr(settings.source.config, "ca") == str(tmp_path / "ca.pem")  # noqa: B009
    first, second = (msgspec.to_builtins(way.config) for way in settings.ways)
    assert first["password_file"] == str(tmp_path / "secrets/room") and first["ca_file"] == ""
    assert second["path"] == str(tmp_path / "out") and settings.settings.store.key_file == "/etc/store.key"
    path.write_text('[source]\nkind = "csv"\npath = "-"\n')
    source = read_settings(path).source
    assert source is not None and getattr(source.config, "path") == "-"  # noqa: B009


def test_the_sink_of_the_page_on_greengrass_is_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "greengrass.md").read_text().split("```toml\n")[1].split("```")[0]
    (tmp_path / "device.toml").write_text(text)
    (way,) = read_settings(tmp_path / "device.toml").ways
    settings = msgspec.to_builtins(way.config)
    assert settings["topic"] == "dt/plant/pump-17/{kind}" and settings["certificate"] == str(tmp_path / "thing.pem.crt")
