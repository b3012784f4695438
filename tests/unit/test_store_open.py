"""Opening: versions, other devices, two processes, damage, leftovers and identity."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edgewright.core.errors import FormatNewerError, StoreDamagedError
from edgewright.device.store import reader, recovery, status
from edgewright.device.store.identity import Identity
from edgewright.device.store.store import Store
from store_example import event, opened, put_rows, stop


def full(folder: Path, count: int = 400) -> None:
    with opened(folder) as store:
        for number in range(count):
            store.append_events([event(number=number)])
            if number % 20 == 0:
                put_rows(store, seed=number)
                store.commit()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_store_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    full(tmp_path / "s", 5)
    with sqlite3.connect(tmp_path / "s" / "store.sqlite") as other:
        other.execute("PRAGMA user_version=2")
    other.close()
    before = files(tmp_path / "s")
    text = "expected a store of version 1 or older, got version 2"
    with pytest.raises(FormatNewerError, match=text):
        Store.open(tmp_path / "s")
    with pytest.raises(FormatNewerError, match=text), reader.look(tmp_path / "s"):
        pass
    assert files(tmp_path / "s") == before


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with sqlite3.connect(tmp_path / "s" / "store.sqlite") as other:
        other.execute("CREATE TABLE mine(x)")
    other.close()
    before = (tmp_path / "s" / "store.sqlite").read_bytes()
    with pytest.raises(FormatNewerError, match="expected a store of Edgewright, got a SQLite file of another program"):
        Store.open(tmp_path / "s")
    assert (tmp_path / "s" / "store.sqlite").read_bytes() == before


def test_a_folder_belongs_to_one_device_and_one_process(tmp_path: Path) -> None:
    with opened(tmp_path / "s") as store:
        store.append_events([event()])
        store.commit()
        with pytest.raises(StoreDamagedError, match="expected a store that no other process writes"):
            opened(tmp_path / "s")
        with reader.look(tmp_path / "s") as database:
            assert len(list(reader.events(database))) == 1
    with pytest.raises(StoreDamagedError, match="expected the store of device 'other', got that of 'device-1'"):
        Store.open(tmp_path / "s", device="other")
    with Store.open(tmp_path / "s") as store:
        assert store.device == "device-1"
    with Store.open(tmp_path / "t") as first, Store.open(tmp_path / "u") as second:
        assert first.device != second.device


def test_a_damaged_page_costs_what_was_on_it(tmp_path: Path) -> None:
    full(tmp_path / "s")
    path = tmp_path / "s" / "store.sqlite"
    whole = path.read_bytes()
    page = whole.rfind(b"walking") // 4096
    bad = whole[: page * 4096] + b"\xff" * 4096 + whole[(page + 1) * 4096 :]
    path.write_bytes(bad)
    not_closed(tmp_path / "s")
    with opened(tmp_path / "s") as store:
        state = status.of(store)
        assert 300 < state.tables["events"].entries + state.tables["outbox"].entries < 800
        assert state.tables["events"].entries >= 300
        assert store.database.value("PRAGMA integrity_check") == "ok"
        (damage,) = state.damage
        assert damage.boot == 2
        assert damage.rescued["events"] == state.tables["events"].entries
        assert (tmp_path / "s" / damage.file).read_bytes() == bad
        assert state.set_aside_bytes >= len(bad)
        store.append_events([event()])


def test_a_page_that_went_bad_after_an_orderly_end_is_met_when_it_is_read(tmp_path: Path) -> None:
    full(tmp_path / "s")
    path = tmp_path / "s" / "store.sqlite"
    whole = path.read_bytes()
    bad = whole[:4096] + b"\x55" * 8192 + whole[3 * 4096 :]
    path.write_bytes(bad)
    with opened(tmp_path / "s") as store:
        (damage,) = status.of(store).damage
        assert damage.boot == 2
        assert "malformed" in damage.subject
        assert (tmp_path / "s" / damage.file).read_bytes() == bad
        assert sum(damage.rescued.values()) > 300
        store.append_events([event()])


@pytest.mark.parametrize("content", [b"", b"no database", b"\0" * 8192, b"SQLite format 3\0" + b"\xee" * 9000])
def test_a_file_that_is_no_database_any_more_is_set_aside(tmp_path: Path, content: bytes) -> None:
    full(tmp_path / "s", 5)
    (tmp_path / "s" / "store.sqlite").write_bytes(content)
    not_closed(tmp_path / "s")
    with opened(tmp_path / "s") as store:
        assert store.boot == 2
        store.append_events([event()])
        store.commit()
        assert status.of(store).tables["events"].entries == 1
    kept = [path.read_bytes() for path in (tmp_path / "s").glob("store.damaged-boot000002-*.sqlite")]
    # Of nothing, SQLite makes a database with nothing in it.
    assert content in kept if content else len(kept) == 1


def test_damage_that_is_met_while_writing_loses_nothing_that_waits(tmp_path: Path) -> None:
    store = opened(tmp_path / "s")
    for number in range(300):
        store.append_events([event(number=number)])
    store.commit()
    store.committer.wear.checkpoint(0.0, always=True)
    with (tmp_path / "s" / "store.sqlite").open("r+b") as file:
        file.write(b"\xff" * 4096 * 3)
    store.database.execute("PRAGMA shrink_memory")
    store.append_events([event("alarm", number=1000)])
    try:
        store.commit()
    finally:
        stop(store)
    with opened(tmp_path / "s") as again:
        kinds = [s.event.kind for s in reader.events(again.database, "alarm")]
        assert kinds == ["alarm"]
        assert len(recovery.history(tmp_path / "s")) >= 1


def test_a_rescue_that_was_cut_off_is_taken_up(tmp_path: Path) -> None:
    full(tmp_path / "s", 30)
    folder = tmp_path / "s"
    # Between the two renamings: the old file has its new name, the saved one not yet.
    (folder / "store.sqlite").rename(folder / "store.rescued")
    (folder / "store.sqlite-wal").write_bytes(b"a log that belongs to the old file")
    (folder / "store.new").write_bytes(b"half")
    with opened(folder) as store:
        assert status.of(store).tables["events"].entries == 30
    assert not (folder / "store.new").exists()
    assert [p.name for p in folder.glob("store.damaged-*")] == ["store.damaged-boot000002-1.sqlite-wal"]


@pytest.mark.parametrize("copies", [("identity.sqlite",), ("identity.copy",), ("identity.sqlite", "identity.copy")])
def test_a_store_with_a_damaged_identity_goes_on(tmp_path: Path, copies: tuple[str, ...]) -> None:
    """No name of an item repeats, and what was stored stays."""
    full(tmp_path / "s", 5)
    with opened(tmp_path / "s") as store:
        last = store.boot
    for name in copies:
        (tmp_path / "s" / name).write_bytes(b"\xff" * 8192)
    with opened(tmp_path / "s") as store:
        assert store.device == "device-1"
        assert store.boot == last + 1 if len(copies) == 1 else store.boot > 1 << 40
        store.append_events([event("alarm", "fall", 1)])
        known = status.of(store)
    assert known.tables["events"].entries >= 5
    assert any("identity.sqlite" in one.subject for one in known.damage) == ("identity.sqlite" in copies)


def test_boots_are_counted_over_restarts(tmp_path: Path) -> None:
    Identity.open(tmp_path, "d").close()
    again = Identity.open(tmp_path)
    assert again.device == "d"
    assert [again.begin(), again.begin()] == [1, 2]
    again.close()


def test_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreDamagedError, match="expected a folder with a store, got none"), reader.look(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def not_closed(folder: Path) -> None:
    """As after a power cut: the next start looks at every page."""
    with sqlite3.connect(folder / "identity.sqlite") as identity:
        identity.execute("UPDATE identity SET value = '0' WHERE key = 'closed'")
    identity.close()
