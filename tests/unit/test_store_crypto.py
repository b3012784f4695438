"""Encrypted columns: found nowhere on the disk, opened by their key alone, bound to their place."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.device.store import reader
from edgewright.device.store.entries import read_key
from edgewright.device.store.store import Store
from edgewright.schema.errors import InputError, MissingExtraError
from store_example import HandClock, config

SECRET = bytes(range(32))


def key_file(folder: Path, content: bytes = SECRET, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def filled(folder: Path, key: Path, encrypt: tuple[str, ...]) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    settings = config(encrypt=encrypt, key_file=str(key))
    with Store.open(folder, settings, "device-1", HandClock()) as store:
        store.append_rows("wrist", ("ax", "ay"), np.arange(100.0), values)
    return values


@pytest.mark.parametrize("encrypt", [("ax",), ("*",)])
def test_columns_open_with_their_key_alone(tmp_path: Path, encrypt: tuple[str, ...]) -> None:
    key = key_file(tmp_path)
    values = filled(tmp_path / "s", key, encrypt)
    closed = ("ax", "ay") if encrypt == ("*",) else ("ax",)
    with reader.look(tmp_path / "s") as database:
        (locked,) = reader.rows(database, "device-1")
        (open_,) = reader.rows(database, "device-1", key=read_key(key))
    assert locked.sealed == closed
    assert set(locked.values) == {"ax", "ay"} - set(closed)
    np.testing.assert_array_equal(open_.values["ax"], values[:, 0])
    np.testing.assert_array_equal(open_.values["ay"], values[:, 1])
    assert open_.sealed == ()


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    filled(tmp_path / "s", key_file(tmp_path), ("*",))
    (tmp_path / "b").mkdir()
    other = read_key(key_file(tmp_path / "b", b"x" * 32))
    with reader.look(tmp_path / "s") as database:
        (locked,) = reader.rows(database, "device-1", key=other)
    assert locked.sealed == ("ax", "ay")


@pytest.mark.parametrize("change", ["sequence = 99", "stream = 'other'", "boot = 2", "sealed = substr(sealed, 2)"])
def test_rows_that_were_moved_or_changed_do_not_open(tmp_path: Path, change: str) -> None:
    key = key_file(tmp_path)
    filled(tmp_path / "s", key, ("ax",))
    with sqlite3.connect(tmp_path / "s" / "store.sqlite") as database:
        database.execute(f"UPDATE rows SET {change}")  # noqa: S608
    database.close()
    with reader.look(tmp_path / "s") as looked:
        (row,) = reader.rows(looked, "device-1", key=read_key(key))
    assert row.sealed == ("ax",)


def test_what_is_encrypted_lies_nowhere_on_the_disk(tmp_path: Path) -> None:
    values = np.full((64, 2), 0.0, dtype=np.float32)
    values[:, 0] = np.arange(64) * 0.001 + 77.0
    times = np.arange(64.0)
    rows_by_name = {}
    for name, encrypt in (("clear", ()), ("sealed", ("ax",))):
        folder = tmp_path / name
        settings = config(encrypt=encrypt, key_file=str(key_file(tmp_path)))
        with Store.open(folder, settings, "device-1", HandClock()) as store:
            store.append_rows("wrist", ("ax", "ay"), times, values)
        with reader.look(folder) as database:
            (row,) = database.execute("SELECT plain, sealed FROM rows")
        rows_by_name[name] = row
    assert len(rows_by_name["clear"][0]) > len(rows_by_name["sealed"][0])
    assert len(rows_by_name["sealed"][1]) > 28
    assert rows_by_name["clear"][1] == b""


def test_export_asks_for_the_key(tmp_path: Path, cli: Cli) -> None:
    key = key_file(tmp_path)
    filled(tmp_path / "s", key, ("ax",))
    base = ["device", "export", "--store", str(tmp_path / "s"), "--rows", "--column", "ax", "--out"]
    assert "expected the key of column 'ax'" in cli(*base, tmp_path / "a.csv", code=2)
    assert not (tmp_path / "a.csv").exists()
    assert run([*base, str(tmp_path / "a.csv"), "--key", str(key)]) == 0
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 101


def test_keys_that_are_none_are_refused(tmp_path: Path) -> None:
    assert read_key(key_file(tmp_path, SECRET.hex().encode() + b"\n")).name == read_key(key_file(tmp_path)).name
    for content in (b"", b"x" * 31, b"z" * 64):
        with pytest.raises(InputError, match="expected 32 bytes or 64 hexadecimal digits"):
            read_key(key_file(tmp_path, content))
    with pytest.raises(InputError, match="expected a key that only its owner reads, got mode 644"):
        read_key(key_file(tmp_path, mode=0o644))
    with pytest.raises(InputError, match="expected a key_file with 'encrypt'"):
        Store.open(tmp_path / "s", config(encrypt=("ax",)))
    shutil.rmtree(tmp_path / "s", ignore_errors=True)


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgewright\[device\]'"):
        read_key(key_file(tmp_path))
