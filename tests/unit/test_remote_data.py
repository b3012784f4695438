"""Data at addresses that fsspec opens: copied to this machine once, and again when they change."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cluster.mapping import each, engine_for, on_engine
from edgewright.core.errors import UnreadableFileError
from edgewright.data.load import load_data
from edgewright.data.preview import read_preview
from edgewright.data.remote import located
from edgewright.pipeline.run_folder.store import Remembered, data_path
from small_pipeline import run_small, write_rows, write_toml

fsspec = pytest.importorskip("fsspec")
Folder = tuple[Path, str]


@pytest.fixture(params=["file", "memory"])
def remote(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Provide a local folder with a file of rows, and the address of a copy of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "readings"
    folder.mkdir()
    write_rows(folder / "rows.csv")
    if request.param == "file":
        return folder, folder.as_uri()
    address = f"memory://bucket/{tmp_path.name}/readings"
    fsspec.filesystem("memory").put(str(folder), address, recursive=True)
    return folder, address


def total(_: None, address: str) -> float:
    """Return the sum of the values at an address."""
    return float(load_data({"kind": "csv", "target": "label"}, seed=0, path=address).recordings[0].values.sum())


def test_an_address_reads_as_the_files_that_lie_there(remote: Folder) -> None:
    folder, address = remote
    local = total(None, str(folder))
    assert total(None, address) == total(None, f"{address}/rows.csv") == local
    preview = read_preview(f"{address}/rows.csv")
    assert preview.table["path"] == f"{address}/rows.csv"
    # A run remembers the address, which exists on no disk.
    assert data_path({"path": address}, None) == address
    assert Remembered(path=address).data_location() == address


def test_a_copy_serves_until_its_files_change(remote: Folder) -> None:
    folder, address = remote
    first = located(address)
    assert located(address) == first
    write_rows(folder / "rows.csv", [["1", "2", "off"], ["3", "4", "on"]])
    if address.startswith("memory"):
        fsspec.filesystem("memory").pipe_file(f"{address}/rows.csv", (folder / "rows.csv").read_bytes())
    assert located(address) != first
    assert total(None, address) == 10.0


def test_workers_read_an_address_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    address = write_rows(tmp_path / "rows.csv").as_uri()
    with on_engine(engine_for("local:1")):
        assert list(each(total, None, [address])) == [total(None, str(tmp_path / "rows.csv"))]


@pytest.mark.parametrize(
    ("address", "reason"), [("memory://nowhere", "nothing there"), ("nonsense://x", "Protocol not known: nonsense")]
)
def test_an_address_without_data_is_refused(address: str, reason: str) -> None:
    with pytest.raises(UnreadableFileError, match=f"data that can be read, got {reason}.*at {address}"):
        located(address)


def _listed_outside(*_: object, **__: object) -> list[str]:
    return ["/bucket/data/../../escaped.csv"]


def _without_credentials(*_: object, **__: object) -> list[str]:
    raise LookupError("Unable to locate credentials")  # stands for an error of the storage library's own


@pytest.mark.parametrize(
    ("find", "reason"), [(_listed_outside, "a file with '..'"), (_without_credentials, "Unable to locate credentials")]
)
def test_what_a_storage_answers_neither_leaves_the_cache_nor_prints_a_traceback(
    find: Callable[..., list[str]], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    system = fsspec.filesystem("memory")
    for name, value in (("find", find), ("ukey", _same_key), ("info", _folder), ("get_file", _write)):
        monkeypatch.setattr(system, name, value)
    with pytest.raises(UnreadableFileError, match=reason):
        located("memory://bucket/data")
    assert not list(tmp_path.rglob("*.csv"))


def _same_key(*_: object) -> str:
    return "key"


def _folder(*_: object) -> dict[str, str]:
    return {"type": "directory"}


def _write(_: str, path: str) -> None:
    Path(path).write_bytes(b"a")


def test_a_changed_file_is_copied_again_where_keys_are_of_addresses_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    system, address = fsspec.filesystem("memory"), f"memory://{tmp_path.name}/rows.csv"
    monkeypatch.setattr(system, "ukey", _same_key)  # as over HTTP
    for content in (b"a\n1\n", b"a\n1\n2\n"):
        system.pipe_file(address, content)
        assert Path(located(address)).read_bytes() == content


def test_the_next_copy_removes_what_a_killed_one_left_and_nothing_of_one_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    address, copies = write_rows(tmp_path / "rows.csv").as_uri(), tmp_path / "cache" / "edgewright" / "data"
    code = (
        "import sys, time, fsspec; from edgewright.data.remote import located\n"
        "def stand(source, target):\n"
        "    open(target, 'wb').close()\n"
        "    time.sleep(600)\n"
        "fsspec.filesystem('file').get_file = stand\n"
        "located(sys.argv[1])\n"
    )
    copying = [subprocess.Popen([sys.executable, "-c", code, address]) for _ in range(2)]
    try:
        until = time.monotonic() + 60
        while len(rooms := {path.parents[1] for path in copies.glob("tmp*/whole/rows.csv")}) < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
        copying[0].kill()
        copying[0].wait()
        copy = Path(located(address))
        left = set(copies.glob("tmp*"))
        assert copy.read_bytes() == (tmp_path / "rows.csv").read_bytes()
        assert len(left) == 1 and left < rooms
    finally:
        for process in copying:
            process.kill()
            process.wait()
    assert located(address) == str(copy)
    (tmp_path / "rows.csv").write_text("x,y,label\n1,2,on\n", encoding="utf-8")
    assert located(address) != str(copy)
    assert not set(copies.glob("tmp*"))


def test_a_first_pipeline_names_an_address_as_it_is(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    address, out = write_rows(tmp_path / "rows.csv").as_uri(), tmp_path / "out"
    cli("init", address, "--target", "label", "--budget", "0s", "--yes", "--out", str(out))
    assert tomllib.loads((out / "pipeline.toml").read_text(encoding="utf-8"))["data"]["path"] == address


@pytest.mark.slow
def test_a_proof_takes_rows_of_an_address(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = write_rows(tmp_path / "rows.csv")
    run = run_small(write_toml(tmp_path / "small.toml", data), tmp_path / "runs").folder
    cli("prove", str(run), "--data", data.as_uri(), "--rows", "5")
