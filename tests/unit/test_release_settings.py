"""Settings travel in the package of a release: merged under the device's own, checked at both ends, never in halves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from agent_example import package, recording, signal
from edgewright.cli.main import run as command
from edgewright.core.errors import (
    CheckFailedError,
    DeviceSettingsError,
    FormatNewerError,
    InputError,
    OutputError,
    ReleaseSettingsRefusedError,
    SecretError,
    UnknownNameError,
)
from edgewright.core.package import read_package
from edgewright.core.records.device import Event
from edgewright.core.records.fleet import TrialLimits
from edgewright.device.agent.release_settings import FILE, carried_files, check_carried, settings_with
from edgewright.device.agent.secrets import secret_file
from edgewright.device.agent.startup import configured_for, run_agent
from edgewright.device.sources import short_source
from edgewright.fleet.device.package_test import run_vectors
from edgewright.fleet.repository.publication import check_package, with_settings
from settings_example import release_settings


def carrying(tmp_path: Path, settings: Path) -> Path:
    (tmp_path / "out").mkdir(exist_ok=True)
    return with_settings(package(tmp_path / "package.edge"), settings, tmp_path / "out")


def events(configured_package: Path, tmp_path: Path, config: Path | None = None) -> list[Event]:
    listed: list[Event] = []
    run_agent(
        configured_for(str(configured_package), config), short_source(f"replay:{tmp_path / 'rows.csv'}"),
        tmp_path / "store", stop=lambda: False, say=print, publish=listed.extend, begin=lambda _: None,
    )  # fmt: skip
    return listed


def test_the_model_runs_with_the_settings_of_its_release_under_those_of_the_device(tmp_path: Path) -> None:
    recording(tmp_path / "rows.csv", signal(20.0))
    path = carrying(tmp_path, release_settings(tmp_path / "s", "[agent]\nsummary = 5.0\nslow = 2.0\n"))
    assert read_package(path).manifest.version == 2
    assert read_package(tmp_path / "package.edge").manifest.version == 1
    assert [e.label for e in events(path, tmp_path) if e.kind == "state"][:3] == ["high", "up", "low"]

    config = tmp_path / "device.toml"
    config.write_text('[agent]\nslow = 1.0\n[[sink]]\nkind = "folder"\npath = "out"\n')
    configured = settings_with(path, config)
    assert (configured.settings.agent.slow, configured.settings.agent.summary) == (1.0, 5.0)
    assert configured.kept == ("agent.slow",)
    assert [way.kind for way in configured.ways] == ["folder"]
    (reason,) = [e.detail["reason"] for e in events(path, tmp_path, config) if e.label == "settings"]
    assert reason == "device.toml differs from the release in agent.slow"

    config.write_text("rules = []\n")  # a list is one key
    assert [e for e in events(path, tmp_path, config) if e.kind == "state"] == []
    assert settings_with(path, config).kept == ("rules",)


def test_a_source_of_another_kind_stays_whole(tmp_path: Path) -> None:
    path = carrying(
        tmp_path, release_settings(tmp_path / "s", '[source]\nkind = "iio"\ndevice = "imu"\nrate = 104.0\n')
    )
    config = tmp_path / "device.toml"
    config.write_text('[source]\nkind = "replay"\npath = "rows.csv"\n')
    configured = settings_with(path, config)
    assert configured.source is not None
    assert (configured.source.kind, configured.kept) == ("replay", ("source",))
    config.write_text('[source]\nkind = "iio"\ndevice = "accelerometer"\n')
    configured = settings_with(path, config)
    assert configured.source is not None
    settings = msgspec.to_builtins(configured.source.config)
    assert (settings["device"], settings["rate"]) == ("accelerometer", 104.0)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("[agent]\nsumary = 5.0\n", "no key 'sumary'.*Did you mean 'summary'"),
        ("[store]\nquota = 1\n", "no key of a release's settings 'store'"),
        ('[commands.stop]\nrun = ["/bin/true"]\n', "no key of a release's settings 'commands'"),
        ('[[detectors]]\npath = "../limits.detector"\n', "a plain path below the folder"),
        ('[[detectors]]\npath = "/etc/passwd"\n', "a plain path below the folder"),
        ('[[detectors]]\npath = "device.toml"\n', "other than device.toml"),
        ('[[detectors]]\npath = "none.detector"\n', "the file 'none.detector'"),
        ("= 5", "expected TOML"),
        (
            '[[sink]]\nkind = "http"\nurl = "https://a.example/"\ntoken_file = "/var/lib/edgewright/key"\n',
            r"a secret by name.*'/var/lib/edgewright/key'.*\[\[sink\]\] 1 token_file",
        ),
        (
            '[source]\nkind = "mqtt"\nhost = "a.example"\ntopics = ["t"]\nuser = "u"\npassword_file = "password"\n',
            r"a secret by name.*'password'.*\[source\] password_file",
        ),
    ],
)
def test_what_no_device_would_take_is_not_published(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        carrying(tmp_path, release_settings(tmp_path / "s", more))


def test_a_rule_about_a_column_that_the_package_lacks_is_not_published(tmp_path: Path) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s", column="pressure"))
    with pytest.raises(UnknownNameError, match="no name for a guard 'pressure'"):
        check_package(path)


def test_a_program_belongs_to_the_device_and_is_needed_by_name(tmp_path: Path) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s", action='command = "stop"'))
    assert check_package(path).needs == ("command stop",)
    config = tmp_path / "device.toml"
    config.write_text("[agent]\n")
    refused = run_vectors(path, TrialLimits(), config=config)
    assert (refused.ok, refused.because) == (False, "start")
    assert refused.detail == "UnknownNameError:device.agent.plan._rule"
    config.write_text('[commands.stop]\nrun = ["/bin/true"]\n')
    assert check_carried(path, config) == ()
    assert run_vectors(path, TrialLimits(), config=config).ok


@pytest.fixture
def confined(tmp_path: Path) -> Path:
    """Return a device.toml with one data folder, and files and links around it."""
    folder = tmp_path / "dev"
    (folder / "data" / "deep").mkdir(parents=True)
    for file in ("secret.csv", "data/rows.csv", "data/deep/rows.csv"):
        (folder / file).write_text("level\n1\n")
    (folder / "data" / "out.csv").symlink_to(folder / "secret.csv")
    (folder / "data" / "up").symlink_to(folder)
    (folder / "in").symlink_to(folder / "data")
    (folder / "data2").mkdir()
    (folder / "device.toml").write_text('data_folders = ["data"]\n')
    return folder / "device.toml"


@pytest.mark.parametrize(
    "source",
    [
        'kind = "csv"\npath = "data/rows.csv"', 'kind = "csv"\npath = "data/deep/../rows.csv"',
        'kind = "csv"\npath = "in/deep/rows.csv"', 'kind = "csv"\npath = "data/not-there-yet.csv"',
        'kind = "replay"\npath = "data"', 'kind = "csv"\npath = "-"', 'kind = "serial"\nport = "/dev/ttyUSB7"',
        'kind = "camera"\npath = "/dev/video7"', 'kind = "iio"\ndevice = "lsm6dsl_accel"', 'kind = "wav"',
        'kind = "wav"\ndevice = "plughw:1,0"', 'kind = "http"\nport = 0',
        'kind = "modbus"\nserial = "/dev/ttyUSB7"\nregisters = ["level@1"]',
    ],
)  # fmt: skip
def test_sources_of_a_release_read_below_the_data_folders(tmp_path: Path, confined: Path, source: str) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s", f"[source]\n{source}\n"))
    assert settings_with(path, confined).source is not None


@pytest.mark.parametrize(
    "source",
    [
        'kind = "csv"\npath = "secret.csv"', 'kind = "csv"\npath = "/etc/passwd"',
        'kind = "csv"\npath = "data/out.csv"',
        'kind = "csv"\npath = "data/../secret.csv"', 'kind = "csv"\npath = "data/up/secret.csv"',
        'kind = "csv"\npath = "data2/rows.csv"', 'kind = "csv"\npath = "/dev/stdin"', 'kind = "replay"\npath = "."',
        'kind = "replay"\npath = "data/up"', 'kind = "wav"\npath = "/etc/passwd"',
        'kind = "camera"\npath = "secret.csv"',
        'kind = "camera"\npath = "/dev/../etc/passwd"', 'kind = "serial"\nport = "/etc/passwd"',
        'kind = "wav"\ndevice = "file:/etc/passwd"', 'kind = "wav"\ndevice = "plug:{type file}"',
        'kind = "iio"\ndevice = "x"\nsysfs = "/etc"', 'kind = "iio"\ndevice = "x"\ndev = "/etc"',
        'kind = "mqtt"\ntopics = ["t"]\nca = "secret.csv"',
        'kind = "opcua"\nurl = "opc.tcp://h"\nnodes = ["level@i=1"]\nsecurity = "P,Sign,secret.csv,secret.csv"',
        'kind = "modbus"\nserial = "/etc/passwd"\nregisters = ["level@1"]',
    ],
)  # fmt: skip
def test_sources_of_a_release_read_nothing_else(tmp_path: Path, confined: Path, source: str) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s", f"[source]\n{source}\n"))
    with pytest.raises(ReleaseSettingsRefusedError):
        settings_with(path, confined)
    confined.write_text("[agent]\n")
    with pytest.raises(ReleaseSettingsRefusedError):
        settings_with(path, confined)
    assert settings_with(path, None, desk=True).source is not None  # the desk does not know the device's folders


def test_a_device_may_name_any_file_itself(tmp_path: Path, confined: Path) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s", '[source]\nkind = "csv"\npath = "secret.csv"\n'))
    confined.write_text('[source]\nkind = "csv"\npath = "secret.csv"\n')
    assert settings_with(path, confined).source is not None
    confined.write_text('[source]\nkind = "replay"\npath = "secret.csv"\n')
    assert settings_with(path, confined).source is not None


def test_a_release_writes_below_the_data_folders_and_does_not_name_them(tmp_path: Path, confined: Path) -> None:
    sink = '[[sink]]\nkind = "folder"\npath = "{}"\n'
    for name, folder, is_allowed in (("in", "data", True), ("out", "data2", False), ("up", "data/up", False)):
        path = carrying(tmp_path, release_settings(tmp_path / name, sink.format(folder)))
        if is_allowed:
            assert [way.kind for way in settings_with(path, confined).ways] == ["folder"]
        else:
            with pytest.raises(ReleaseSettingsRefusedError):
                settings_with(path, confined)
    with pytest.raises(UnknownNameError):
        carrying(tmp_path, release_settings(tmp_path / "own", 'data_folders = ["/"]\n'))


def test_a_device_whose_own_settings_are_broken_blames_no_release(tmp_path: Path) -> None:
    config = tmp_path / "device.toml"
    config.write_text("[agent\n")
    assert run_vectors(package(tmp_path / "package.edge"), TrialLimits(), config=config).ok
    path = carrying(tmp_path, release_settings(tmp_path / "s"))
    with pytest.raises(OutputError) as raised:
        run_vectors(path, TrialLimits(), config=config)
    assert raised.value.got == "TomlSyntaxError:core.toml_tables.parse_toml"


@pytest.mark.parametrize("before", [False, True])
def test_no_package_stands_in_where_either_has_settings(tmp_path: Path, before: bool) -> None:
    recording(tmp_path / "rows.csv", signal(5.0))
    settings, here = release_settings(tmp_path / "s"), tmp_path / "run" / "package.edge"
    here.parent.mkdir()
    (with_settings if before else lambda *_: None)(package(tmp_path / "package.edge"), settings, here.parent)
    events(here if before else tmp_path / "package.edge", tmp_path)
    wrong = package(tmp_path / "package.edge", wrong=0.5)
    with pytest.raises(CheckFailedError):
        events(wrong if before else with_settings(wrong, settings, here.parent), tmp_path)


def test_an_agent_of_before_refuses_the_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s"))
    monkeypatch.setattr("edgewright.core.package.PACKAGE_VERSION", 1)
    with pytest.raises(FormatNewerError):
        read_package(path)


def test_check_shows_a_release_on_a_device(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s", "[agent]\nslow = 2.0\n"))
    config = tmp_path / "device.toml"
    config.write_text("[agent]\nslow = 1.0\n")
    assert command(["device", "check", str(config), "--package", str(path), "--json"]) == 0
    checked = json.loads(capfd.readouterr().out)["checked"]
    assert "rules level: 2 states" in checked
    assert "kept instead of the release's: agent.slow" in checked


def test_a_rule_names_the_package_of_its_release_whatever_the_file_is_called(tmp_path: Path) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s", 'package = "package"\n'))
    release = path.rename(tmp_path / "release.edge")
    config = tmp_path / "device.toml"
    config.write_text("[agent]\n")
    assert run_vectors(release, TrialLimits(), config=config).ok
    assert command(["device", "check", str(config), "--package", str(release)]) == 0


@pytest.mark.parametrize(
    ("sink", "code"),
    [
        ('url = "http://gateway.example/"', "SinkSettingsError:device.sinks.require_loopback_or_tls"),
        (
            'url = "https://gateway.example/"\nca_file = "none.pem"',
            "InputError:device.sinks.http._Http.__init__:ENOENT",
        ),
    ],
)
def test_a_sink_that_will_never_work_is_refused_before_it_runs(tmp_path: Path, sink: str, code: str) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s", f'[[sink]]\nkind = "http"\n{sink}\n'))
    refused = run_vectors(path, TrialLimits())
    assert (refused.ok, refused.because) == (False, "start")
    assert refused.detail == code


SINK = """
[[sink]]
kind = "http"
url = "https://gateway.example/items"
token_file = "secret:gateway-token"
"""


def test_a_secret_travels_by_name_and_its_value_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s", SINK))
    assert check_package(path).needs == ("secret gateway-token",)
    (tmp_path / "dev").mkdir()
    config = tmp_path / "dev" / "device.toml"
    config.write_text("[agent]\n")
    missing = run_vectors(path, TrialLimits(), config=config)
    assert (missing.ok, missing.because) == (False, "start")
    assert missing.detail == "SecretError:device.agent.secrets.secret_file:ENOENT"

    secret = config.parent / "secrets" / "gateway-token"
    secret.parent.mkdir()
    secret.write_text("c4f3")
    secret.chmod(0o644)
    public = run_vectors(path, TrialLimits(), config=config)
    assert public.detail == "SecretError:device.agent.secrets.secret_file"
    secret.chmod(0o600)
    monkeypatch.chdir(config.parent)  # as relative as the agent was started with
    assert run_vectors(path, TrialLimits(), config=Path("device.toml")).ok
    (way,) = settings_with(path, config).ways
    assert msgspec.to_builtins(way.config)["token_file"] == str(secret)

    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "gateway-token").write_text("other")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    secret.unlink()
    assert run_vectors(path, TrialLimits(), config=config).ok
    (way,) = settings_with(path, config).ways
    assert msgspec.to_builtins(way.config)["token_file"] == str(tmp_path / "credentials" / "gateway-token")


def test_a_device_without_its_own_secret_blames_no_release(tmp_path: Path) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s"))
    config = tmp_path / "device.toml"
    config.write_text(SINK)
    with pytest.raises(OutputError) as raised:
        run_vectors(path, TrialLimits(), config=config)
    assert raised.value.got == "SecretError:device.agent.secrets.secret_file:ENOENT"


def test_a_secret_in_a_key_that_names_no_file_is_refused(tmp_path: Path) -> None:
    sink = '[[sink]]\nkind = "mqtt"\nuser = "secret:user"\n'
    with pytest.raises(DeviceSettingsError, match=r"got 'secret:user'.* sink\[0\]\.user.*password_file"):
        carrying(tmp_path, release_settings(tmp_path / "s", sink))


@pytest.mark.parametrize("name", ["", "../shadow", "a/b", ".hidden"])
def test_the_name_of_a_secret_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(SecretError):
        carrying(tmp_path, release_settings(tmp_path / "s", SINK.replace("gateway-token", name)))


def test_a_secret_that_is_no_file_or_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").mkdir()
    os.mkfifo(tmp_path / "secrets" / "pipe", 0o600)
    (tmp_path / "secrets" / "folder").mkdir(mode=0o700)
    for name in ("pipe", "folder"):
        with pytest.raises(SecretError, match=f"a secret '{name}' that only its owner reads, got mode no plain file"):
            secret_file(f"secret:{name}", tmp_path, "device.toml")
    (tmp_path / "here").write_text("of the working folder")
    monkeypatch.chdir(tmp_path)
    for folder in ("", "/" + 300 * "x"):
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", folder)
        with pytest.raises(SecretError, match="the secret 'here', got No such file"):
            secret_file("secret:here", tmp_path, "device.toml")


def test_a_package_that_ends_early_is_named(tmp_path: Path) -> None:
    path = carrying(tmp_path, release_settings(tmp_path / "s"))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(FILE.encode()))
    data[entry + 10 : entry + 12] = bytes(2)  # stored, and longer than the file
    data[entry + 20 : entry + 28] = 2 * len(data).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DeviceSettingsError):
        carried_files(path)
