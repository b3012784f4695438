"""The examples of the documents are what the agent reads, and the unit file is one that systemd understands."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from agent_example import package
from edgewright.cli.main import cli
from edgewright.device.agent.settings import check_settings, read_settings
from edgewright.device.timeline import TimelineConfig
from edgewright.schema.device_config import AgentConfig, AgentSettings, DriftSettings
from edgewright.schema.errors import InputError
from support import ROOT, left_out

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
