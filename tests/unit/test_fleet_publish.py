"""`edgewright fleet init`, `publish`, `finish`, `releases`, `key` as a person uses them, wrong input included."""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.package import write_package
from edgewright.fleet.protocol.layout import package_target, wheels_of
from edgewright.fleet.repository.folder import open_fleet, read_published, root_hash
from edgewright.fleet.repository.metadata import find
from fleet_folder import judge, package, register_control
from runtime_example import classifier, parts


@pytest.fixture
def home(tmp_path: Path, cli: Cli) -> Path:
    cli("fleet", "init", tmp_path / "fleet")
    return tmp_path / "fleet"


def refused(cli: Cli, *arguments: object, code: int = 2) -> str:
    """Return the one line that a command ends with."""
    err = cli(*arguments, code=code)
    assert err.startswith("edgewright: ") and err.count("\n") == 1
    return err


def state(folder: Path) -> dict[str, bytes]:
    """Every file and what it holds."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_ceremony_says_what_was_made_and_what_to_do(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "pumps"
    text = cli("fleet", "init", folder, "--product", "pump", "--product", "valve")
    fleet = open_fleet(folder)
    assert fleet.settings.products == ("pump", "valve") and fleet.settings.name == "pumps"
    assert root_hash(fleet) in text
    for key in folder.rglob("*.key"):
        assert str(key) in text
    assert "root: 2 of 3 keys" in text and "releases: 1 of 2 keys" in text
    steps = " ".join(text.split())
    assert "onto medium 2 root-2.key, targets-2.key and releases-2.key" in steps
    assert "onto medium 3 root-3.key and targets-3.key." in steps
    assert text.rstrip().endswith(f"Next: edgewright fleet publish PACKAGE --fleet {folder}")
    assert "warning: All keys are on this machine" in text and "no passphrase" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pumps"]


@pytest.mark.slow
def test_the_ceremony_as_json_with_thresholds_and_a_passphrase(tmp_path: Path, cli: Cli) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n", encoding="utf-8")
    report = cli.json(
        "fleet", "init", tmp_path / "f", "--root-keys", 1, "--targets-keys", 1, "--releases-keys", 2,
        "--releases-threshold", 2, "--passphrase-file", secret,
    )  # fmt: skip
    assert {role["role"]: (role["threshold"], len(role["keys"])) for role in report["roles"]} == {
        "root": (1, 1), "targets": (1, 1), "releases": (2, 2), "rollouts": (1, 1), "snapshot": (1, 1),
        "timestamp": (1, 1),
    }  # fmt: skip
    assert [key["encrypted"] for key in report["made"] if key["offline"]] == [True] * 4
    assert any("A single key signs root" in warning for warning in report["warnings"])
    one = package(tmp_path, "1")
    err = refused(cli, "fleet", "publish", one, "--fleet", tmp_path / "f")
    assert "releases has 0 of 2 signatures" in err and "--passphrase-file" in err
    wrong = tmp_path / "wrong"
    wrong.write_text("incorrect\n", encoding="utf-8")
    before = state(tmp_path / "f" / "public" / "metadata")
    err = refused(cli, "fleet", "publish", one, "--fleet", tmp_path / "f", "--passphrase-file", wrong)
    assert "none of the passphrases opens" in err
    assert state(tmp_path / "f" / "public" / "metadata") == before
    assert run(["fleet", "publish", str(one), "--fleet", str(tmp_path / "f"), "--passphrase-file", str(secret)]) == 0


def test_releases_count_up_and_each_has_a_way_back(home: Path, tmp_path: Path, cli: Cli) -> None:
    paths = [package(tmp_path, seed) for seed in "1234"]
    for path in paths[:3]:
        cli.json("fleet", "publish", path, "--fleet", home)
    last = cli.json(
        "fleet", "publish", paths[3], "--fleet", home, "--counter", 20, "--back-to", 2,
        "--profile", "cortex-m4", "--notes", "pumps", "--least", "1.2",
    )  # fmt: skip
    assert last["change"]["state"] == "published"
    listed = cli.json("fleet", "releases", "--fleet", home)
    assert [(one["release"]["counter"], one["revert"], one["of"]) for one in listed] == [
        (1, False, 1), (2, False, 2), (3, True, 1), (4, False, 4), (5, True, 2), (20, False, 20), (21, True, 2),
    ]  # fmt: skip
    assert find(read_published(open_fleet(home)), "main").release.counter == 20
    assert find(read_published(open_fleet(home)), "main", 21).revert
    newest = listed[5]
    assert newest["release"]["profiles"] == ["cortex-m4"] and newest["notes"] == "pumps"
    assert judge(open_fleet(home)).read(package_target("main", 21)) == paths[1].read_bytes()
    assert "back to 2" in cli("fleet", "releases", "--fleet", home)


def test_a_release_that_drops_settings_of_the_one_before_is_named(home: Path, tmp_path: Path, cli: Cli) -> None:
    paths = [package(tmp_path, seed) for seed in "123"]
    settings = tmp_path / "settings.toml"
    settings.write_text("[agent]\nsummary = 5.0\n", encoding="utf-8")
    assert "warning" not in cli("fleet", "publish", paths[0], "--fleet", home, "--settings", settings)
    dropped = "warning: release 1 has settings and this one has none"
    assert dropped not in cli("fleet", "publish", paths[1], "--fleet", home, "--settings", settings)
    assert dropped.replace("1", "2") in cli("fleet", "publish", paths[2], "--fleet", home)
    assert "warning" not in cli("fleet", "publish", paths[1], "--fleet", home)
    assert [one["carries"] for one in cli.json("fleet", "releases", "--fleet", home)][:5] == [
        ["settings"], ["settings"], ["settings"], [], ["settings"],
    ]  # fmt: skip
    next(home.glob("public/targets/packages/*.main-1.edge")).unlink()
    printed = cli("fleet", "releases", "--fleet", home).splitlines()
    assert "file cannot be read" in printed[0] and "with settings" in printed[1]


def test_what_cannot_be_published_changes_nothing(home: Path, tmp_path: Path, cli: Cli) -> None:
    one = package(tmp_path, "1")
    cli.json("fleet", "publish", one, "--fleet", home)
    before = state(home)
    assert "It is already published" in refused(cli, "fleet", "publish", one, "--fleet", home)
    two = package(tmp_path, "2")
    assert "a counter above 1" in refused(cli, "fleet", "publish", two, "--fleet", home, "--counter", 1)
    assert "Known: main" in refused(cli, "fleet", "publish", two, "--fleet", home, "--product", "pump")
    assert "--back-to" in refused(cli, "fleet", "publish", two, "--fleet", home, "--back-to", 9)
    assert "no such file" in refused(cli, "fleet", "publish", tmp_path / "absent.edge", "--fleet", home)
    text = tmp_path / "text.edge"
    text.write_text("no package", encoding="utf-8")
    assert "a package" in refused(cli, "fleet", "publish", text, "--fleet", home)
    damaged = tmp_path / "damaged.edge"
    damaged.write_bytes(two.read_bytes()[:-200] + bytes(200))
    refused(cli, "fleet", "publish", damaged, "--fleet", home)
    manifest, files = parts()
    _, others = parts(classifier((10, 8, 3)))
    liar = tmp_path / "liar.edge"
    write_package(liar, manifest, {**files, "model.onnx": others["model.onnx"]})
    refused(cli, "fleet", "publish", liar, "--fleet", home, code=1)
    assert state(home) == before


def test_a_folder_that_is_no_fleet_is_said_to_be_none(tmp_path: Path, cli: Cli) -> None:
    one = package(tmp_path, "1")
    assert "nothing - at" in refused(cli, "fleet", "publish", one, "--fleet", tmp_path / "absent")
    assert "without fleet.toml" in refused(cli, "fleet", "publish", one, "--fleet", tmp_path)
    assert "a file" in refused(cli, "fleet", "releases", "--fleet", one)
    toml = tmp_path / "fleet.toml"
    toml.write_text("format = 2\nnew = 1\n", encoding="utf-8")
    assert "upgrade" in refused(cli, "fleet", "publish", one, "--fleet", tmp_path)
    toml.write_text("format = 1\n", encoding="utf-8")
    assert "settings of a fleet" in refused(cli, "fleet", "key", "list", "--fleet", tmp_path)
    toml.write_text("format = [", encoding="utf-8")
    assert "settings of a fleet" in refused(cli, "fleet", "key", "list", "--fleet", tmp_path)


def test_init_writes_over_nothing(home: Path, tmp_path: Path, cli: Cli) -> None:
    before = state(tmp_path)
    assert "a folder with files" in refused(cli, "fleet", "init", home)
    assert "threshold of root" in refused(cli, "fleet", "init", tmp_path / "x", "--root-keys", 2, "--root-threshold", 3)
    assert "small letters" in refused(cli, "fleet", "init", tmp_path / "x", "--product", "A b")
    for address in ("foo", "http://fleet.example", "https://u@fleet.example", "https://fleet.example:x"):
        assert "--address" in refused(cli, "fleet", "init", tmp_path / "x", "--address", address)
    assert "No such file" in refused(cli, "fleet", "init", tmp_path / "x", "--passphrase-file", tmp_path / "absent")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    refused(cli, "fleet", "init", tmp_path / "file")
    refused(cli, "fleet", "init", tmp_path / "file" / "below", code=74)
    (tmp_path / "file").unlink()
    assert state(tmp_path) == before
    (tmp_path / "empty").mkdir()
    assert run(["fleet", "init", str(tmp_path / "empty")]) == 0


def test_two_people_on_two_machines_reach_the_threshold(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "fleet"
    cli.json("fleet", "init", folder, "--releases-keys", 2, "--releases-threshold", 2)
    stick = tmp_path / "other-machine" / "stick"
    stick.mkdir(parents=True)
    for name in ("releases-2.key", "releases-2.pub"):
        shutil.move(folder / "keys" / "offline" / name, stick / name)
    one = package(tmp_path, "1")
    assert "releases has 1 of 2 signatures" in refused(cli, "fleet", "publish", one, "--fleet", folder)
    file = tmp_path / "release.json"
    report = cli.json("fleet", "publish", one, "--fleet", folder, "--prepare", file)
    assert report["change"]["state"] == "prepared" and "1 of 2" in report["change"]["lacking"][0]
    assert "exist" in refused(cli, "fleet", "publish", one, "--fleet", folder, "--prepare", file)
    assert "1 of 2" in refused(cli, "fleet", "finish", file, "--fleet", folder)
    there = Path(shutil.move(file, tmp_path / "other-machine" / "release.json"))
    seen = cli("fleet", "key", "sign", there, "--look")
    assert "adds packages/main-1.edge" in seen and "counter 1" in seen and "1 of 2" in seen
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(cli, "fleet", "key", "sign", there, "--keys", empty, code=1)
    signed = cli.json("fleet", "key", "sign", there, "--keys", stick)
    assert signed["lacking"] == [] and signed["signed"]
    done = cli.json("fleet", "finish", there, "--fleet", folder)
    assert done["state"] == "published"
    assert judge(open_fleet(folder)).read(package_target("main", 1)) == one.read_bytes()
    assert "already published or waiting" in refused(cli, "fleet", "finish", there, "--fleet", folder)


def test_a_signer_is_not_shown_a_change_that_builds_upon_something_forged(home: Path, tmp_path: Path, cli: Cli) -> None:
    """The machine that publishes hides a package in what it says was there before."""
    file = tmp_path / "release.json"
    cli.json("fleet", "publish", package(tmp_path, "1"), "--fleet", home, "--prepare", file)
    request = json.loads(file.read_text(encoding="utf-8"))
    honest = json.dumps(request)
    root = root_hash(open_fleet(home))
    seen = cli.json("fleet", "key", "sign", file, "--look", "--root", root)
    assert seen["root"] == root
    refused(cli, "fleet", "key", "sign", file, "--look", "--root", "ab" * 32, code=1)
    request["base"]["releases"] = request["roles"]["releases"].replace("main-1", "main-7")
    file.write_text(json.dumps(request), encoding="utf-8")
    assert "releases signed by the keys" in refused(cli, "fleet", "key", "sign", file, "--keys", home / "keys")
    del request["base"]["root"]
    file.write_text(json.dumps(request), encoding="utf-8")
    assert "metadata of root" in refused(cli, "fleet", "key", "sign", file, "--keys", home / "keys")
    other = tmp_path / "other"
    cli.json("fleet", "init", other)
    request = json.loads(honest)
    request["base"]["root"] = (other / "public" / "metadata" / "1.root.json").read_text(encoding="utf-8")
    file.write_text(json.dumps(request), encoding="utf-8")
    assert "targets signed by the keys" in refused(cli, "fleet", "key", "sign", file, "--keys", home / "keys")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"format": 9}', b'{"format": 1, "roles": {"root": "x"}}'])
def test_a_file_that_is_no_change_is_not_signed(home: Path, tmp_path: Path, cli: Cli, content: bytes) -> None:
    file = tmp_path / "change.json"
    file.write_bytes(content)
    before = state(home)
    refused(cli, "fleet", "key", "sign", file, "--keys", home / "keys" / "offline")
    refused(cli, "fleet", "finish", file, "--fleet", home)
    assert state(home) == before and file.read_bytes() == content


def test_keys_are_listed_rotated_revoked_and_refreshed(home: Path, tmp_path: Path, cli: Cli) -> None:
    listed = cli.json("fleet", "key", "list", "--fleet", home)
    stolen = next(role["keys"][0] for role in listed["roles"] if role["role"] == "snapshot")
    assert listed["at_hand"][stolen].endswith("snapshot-1.key")
    gone = cli.json("fleet", "key", "revoke", stolen[:8], "--fleet", home)
    assert gone["old_files"][0].endswith("snapshot-1.key") and gone["made"][0]["role"] == "snapshot"
    assert "set it from the new key" in cli("fleet", "key", "rotate", "timestamp", "--fleet", home)
    assert "no role 'tmestamp'" in refused(cli, "fleet", "key", "rotate", "tmestamp", "--fleet", home)
    cli.json("fleet", "key", "new", tmp_path / "alice.key")
    refused(cli, "fleet", "key", "new", tmp_path / "alice.key")
    refused(cli, "fleet", "key", "new", tmp_path / "alice")
    cli.json("fleet", "key", "rotate", "releases", "--fleet", home, "--keep", "--add", tmp_path / "alice.pub")
    cli.json("fleet", "key", "refresh", "--fleet", home)
    cli.json("fleet", "key", "refresh", "--fleet", home, "--all")
    text = cli("fleet", "key", "list", "--fleet", home, "--keys", tmp_path)
    assert "releases: 1 of 3" in text and "alice.key" in text
    assert judge(open_fleet(home)).read("rollouts/index.json") is not None
    refused(cli, "fleet", "key", "revoke", stolen[:8], "--fleet", home)
    alice = next(
        role["keys"]
        for role in cli.json("fleet", "key", "list", "--fleet", home)["roles"]
        if role["role"] == "releases"
    )
    gone = cli.json("fleet", "key", "revoke", alice[-1], "--fleet", home, "--without-replacement")
    assert not gone["made"]
    assert "releases: 1 of 2" in cli("fleet", "key", "list", "--fleet", home)


def test_a_folder_that_cannot_be_written_is_left_whole(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    before = read_published(open_fleet(home))
    one = package(tmp_path, "1")
    real, codes = os.fsync, []
    for allowed in range(12):
        left = [allowed]

        def full(handle: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(handle)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            code = run(["fleet", "publish", str(one), "--fleet", str(home)])
        assert code in (0, 74)
        assert not [p for p in home.rglob(".*") if p.name != ".lock"]
        assert judge(open_fleet(home)).read("rollouts/index.json") is not None
        codes.append(code)
        if code == 0 or read_published(open_fleet(home)) != before:
            break
    assert codes[:3] == [74, 74, 74]
    assert run(["fleet", "key", "refresh", "--fleet", str(home)]) == 0
    assert judge(open_fleet(home)).read(package_target("main", 1)) == one.read_bytes()


def test_what_waits_is_listed_and_taken_back(home: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("fleet", "waiting", "--fleet", home) == "nothing waits\n"
    register_control(home, time.time())
    for seed in "123":
        report = cli.json("fleet", "publish", package(tmp_path, seed), "--fleet", home)
        assert report["change"]["state"] == "waiting"
    listed = cli.json("fleet", "waiting", "--fleet", home)
    assert [(one["number"], one["about"].split(":")[0]) for one in listed] == [
        (1, "release 1 of main"), (2, "release 2 of main"), (3, "release 4 of main"),
    ]  # fmt: skip
    assert "waiting: 1, 2, 3" in refused(cli, "fleet", "waiting", "--fleet", home, "--withdraw", 9)
    assert cli("fleet", "waiting", "--fleet", home, "--withdraw", "2").count("taken back") == 2
    assert [one["number"] for one in cli.json("fleet", "waiting", "--fleet", home)] == [1]
    cli.json("fleet", "publish", package(tmp_path, "3"), "--fleet", home)
    assert [one["release"]["counter"] for one in cli.json("fleet", "releases", "--fleet", home)] == [1, 2, 3]


def wheel(folder: Path, project: str) -> Path:
    """Write a wheel of one file."""
    path = folder / f"{project}-9.0-py3-none-any.whl"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("edgewright/agent.py", "content = 1\n" * 20)
        archive.writestr(f"{project}-9.0.dist-info/RECORD", "")
    return path


@pytest.mark.parametrize("project", ["edgewright", "edgewright_device"])
def test_wheels_of_the_agent_are_whole_when_they_are_published(
    home: Path, tmp_path: Path, cli: Cli, project: str
) -> None:
    pump, wheels = package(tmp_path), tmp_path / "wheels"
    publish = ("fleet", "publish", pump, "--fleet", home, "--agent-wheels", wheels)
    wheel(wheels, "numpy")
    assert "expected a wheel of edgewright or edgewright-device, got numpy-9.0" in refused(cli, *publish)
    whole = (agent := wheel(wheels, project)).read_bytes()
    before = state(home)
    for damaged in (
        b"",
        whole[:-30],
        whole.replace(b"content = 1", b"content = 2", 1),
        whole.replace(b"RECORD", b"OTHERS"),
    ):
        agent.write_bytes(damaged)
        assert f"expected a whole wheel, got a damaged file - at {agent}." in refused(cli, *publish)
    assert state(home) == before
    agent.write_bytes(whole)
    cli(*publish)
    (published,) = (home / "public" / "targets").rglob("*.edge")
    assert wheels_of(published) == {
        agent.name: whole,
        "numpy-9.0-py3-none-any.whl": (wheels / "numpy-9.0-py3-none-any.whl").read_bytes(),
    }
