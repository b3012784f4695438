"""Static files for any web server, and sticks with a root of their own."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tuf.api.exceptions import RepositoryError
from tuf.ngclient import Updater

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import CheckFailedError, FleetMissingError, OutputError
from edgewright.core.records.fleet import Standings
from edgewright.fleet.protocol.layout import INDEX, ONLINE, STICK_LONGEST, package_target, plan_target
from edgewright.fleet.repository import distribution, key_rotation, metadata
from edgewright.fleet.repository.distribution import export
from edgewright.fleet.repository.folder import Fleet, open_fleet, read_published, write_again
from fleet_folder import SMALL, Judge, apply, fleet, package, publish, rollout

NOW = time.time()


@pytest.fixture
def source(tmp_path: Path) -> Fleet:
    device_fleet = fleet(tmp_path / "fleet", NOW)
    publish(device_fleet, package(tmp_path, "1"), NOW)
    publish(device_fleet, package(tmp_path, "2"), NOW)
    return device_fleet


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Provide a folder over HTTP, by the plainest server there is."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_python_tuf_updates_from_an_export_on_a_plain_web_server(source: Fleet, tmp_path: Path) -> None:
    apply(source, key_rotation.rotate(source, "root", NOW)[0], NOW)
    export_result = export(source, tmp_path / "www", NOW)
    assert export_result.written > 0 and export_result.kept == 0
    here = tmp_path / "device"
    here.mkdir()
    root = (source.metadata / "1.root.json").read_bytes()
    with served(tmp_path / "www") as url:
        updater = Updater(str(here), f"{url}/metadata", str(here), f"{url}/targets", bootstrap=root)
        updater.refresh()
        target_info = updater.get_targetinfo(package_target("main", 2))
        assert target_info is not None
        content = Path(updater.download_target(target_info)).read_bytes()
    assert content == package(tmp_path, "2").read_bytes()


def test_an_export_is_repeatable_and_takes_nothing_away(source: Fleet, tmp_path: Path) -> None:
    out = tmp_path / "www"
    first = export(source, out, NOW)
    again = export(source, out, NOW)
    assert again.written == 0 and again.kept == first.written
    before = {path for path in out.rglob("*") if path.is_file()}
    publish(source, package(tmp_path, "3"), NOW)
    assert export(source, out, NOW).written > 0
    assert before <= {path for path in out.rglob("*") if path.is_file()}
    assert Judge(out, (source.metadata / "1.root.json").read_bytes()).read(package_target("main", 4)) is not None
    assert not list(out.rglob(".*"))


def test_an_export_cut_off_anywhere_leaves_devices_what_they_had(
    source: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "www"
    export(source, out, NOW)
    publish(source, package(tmp_path, "3"), NOW)
    device = Judge(out, (source.metadata / "1.root.json").read_bytes())
    real = write_again
    for allowed in range(20):
        left = [allowed]

        def full(path: Path, data: bytes, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OutputError("to write", "No space left on device", str(path))
            real(path, data)

        with monkeypatch.context() as patched:
            patched.setattr(distribution, "write_again", full)
            try:
                export(source, out, NOW)
                break
            except OutputError:
                assert device.read(package_target("main", 4)) is None
                assert device.read(package_target("main", 2)) is not None
    assert allowed > 0
    assert device.read(package_target("main", 4)) is not None


def test_an_export_says_how_long_files_may_be_cached(source: Fleet, tmp_path: Path, cli: Cli) -> None:
    text = cli("fleet", "export", source.folder, tmp_path / "www")
    note = (tmp_path / "www" / distribution.NOTE).read_text(encoding="utf-8")
    for kind, value in distribution.CACHE.items():
        assert kind in text and value in text and kind in note and value in note
    assert cli.json("fleet", "export", source.folder, tmp_path / "www")["written"] == 0


def test_what_must_not_be_exported_is_refused(source: Fleet, tmp_path: Path) -> None:
    with pytest.raises(CheckFailedError, match="the timestamp expired"):
        export(source, tmp_path / "www", NOW + 2 * 86_400)
    assert not (tmp_path / "www").exists()
    for path in (source.folder, source.metadata.parent, package(tmp_path)):
        with pytest.raises(FleetMissingError):
            export(source, path, NOW)
    next(source.targets.rglob("*main-2.edge")).write_bytes(b"other")
    with pytest.raises(FleetMissingError):
        export(source, tmp_path / "www", NOW)


def test_a_stick_carries_what_runs_under_a_root_of_its_own(source: Fleet, tmp_path: Path) -> None:
    _, data = rollout(source, NOW)
    own, keys = distribution.init_stick(source, SMALL, None, NOW)
    assert {key.role for key in keys} >= set(ONLINE) and all(key.offline for key in keys)
    mount = tmp_path / "usb"
    mount.mkdir()
    export_result = distribution.write_stick(source, mount, own.ring(), NOW)
    assert export_result.folder == str(mount / "edgewright")
    root = (own.metadata / "1.root.json").read_bytes()
    assert root != (source.metadata / "1.root.json").read_bytes()
    device = Judge(mount / "edgewright", root)
    index = device.read(INDEX)
    assert index is not None
    assert [one.plan for one in msgspec.json.decode(index, type=Standings).rollouts] == ["first"]
    assert device.read(plan_target("first")) == data
    assert device.read(package_target("main", 2)) == package(tmp_path, "2").read_bytes()
    assert device.read(package_target("main", 3)) == package(tmp_path, "1").read_bytes()
    for role in ONLINE:
        left = metadata.read(read_published(own)[role], role).signed.expires.timestamp() - NOW
        assert 89 * 86_400 < left < STICK_LONGEST[role]
    for path in mount.rglob("*"):
        assert path.suffix != ".key"


def test_neither_root_vouches_for_the_other_repository(source: Fleet, tmp_path: Path) -> None:
    rollout(source, NOW)
    own, _ = distribution.init_stick(source, SMALL, None, NOW)
    (tmp_path / "usb").mkdir()
    distribution.write_stick(source, tmp_path / "usb", own.ring(), NOW)
    with pytest.raises(RepositoryError):
        Judge(tmp_path / "usb" / "edgewright", (source.metadata / "1.root.json").read_bytes()).read(INDEX)
    with pytest.raises(RepositoryError):
        Judge(source.metadata.parent, (own.metadata / "1.root.json").read_bytes()).read(INDEX)


@pytest.mark.slow
def test_a_second_writing_carries_news_to_the_same_stick(source: Fleet, tmp_path: Path) -> None:
    rollout(source, NOW)
    own, _ = distribution.init_stick(source, SMALL, None, NOW)
    mount = tmp_path / "usb"
    mount.mkdir()
    distribution.write_stick(source, mount, own.ring(), NOW)
    device = Judge(mount / "edgewright", (own.metadata / "1.root.json").read_bytes())
    assert device.read(package_target("main", 2)) is not None
    publish(source, package(tmp_path, "3"), NOW)
    rollout(source, NOW, "second")
    distribution.write_stick(source, mount, own.ring(), NOW + 1)
    assert device.read(package_target("main", 4)) == package(tmp_path, "3").read_bytes()


def test_a_stick_without_mount_rollout_or_keys_is_refused(source: Fleet, tmp_path: Path, cli: Cli) -> None:
    where = ["--fleet", str(source.folder)]
    mount = tmp_path / "usb"
    assert "fleet stick init" in cli("fleet", "stick", "write", mount, *where, code=2)
    few = ["--root-keys", "1", "--targets-keys", "1", "--releases-keys", "1"]
    text = cli("fleet", "stick", "init", *where, *few)
    assert "root fingerprint" in text
    assert "control plane" not in text and "fleet publish" not in text
    assert text.rstrip().endswith(f"Next: edgewright fleet stick write MOUNT --fleet {source.folder}")
    assert run(["fleet", "stick", "init", *where]) == 2
    assert "Mount it first" in cli("fleet", "stick", "write", mount, *where, code=2)
    mount.mkdir()
    assert "a rollout for the stick" in cli("fleet", "stick", "write", mount, *where, code=2)
    rollout(source, NOW)
    keys = source.folder / "stick" / "keys"
    away = tmp_path / "safe"
    keys.rename(away)
    assert "releases has 0 of 1 signatures" in cli("fleet", "stick", "write", mount, *where, code=2)
    assert not list(mount.iterdir())
    assert "devices trust it until" in cli("fleet", "stick", "write", mount, *where, "--keys", away)
    own = open_fleet(source.folder / "stick")
    assert Judge(mount / "edgewright", (own.metadata / "1.root.json").read_bytes()).read(INDEX) is not None
