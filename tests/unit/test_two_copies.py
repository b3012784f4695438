"""Files that guard against what is older: either copy may be damaged anywhere, and nothing is lost or goes back."""
# ruff: noqa: ANN401 - what is read depends on the kind of file

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edgewright.core.errors import InputError
from edgewright.core.records.fleet import Enrolled
from edgewright.device.store import file_operations, recovery
from edgewright.device.store.guarded_database import DAMAGED, CopiedDatabase, LostError, copy_of
from edgewright.device.store.identity import IDENTITY_FILE, Identity
from edgewright.fleet.device.enrollment import device_key
from edgewright.fleet.device.state_database import FILE, KEY_COPY, KEY_FILE, State
from edgewright.fleet.device.trust import pinned_root
from edgewright.fleet.device.trust.pinned_root import MetadataState, VerifiedMetadata

HEADER = 100


def identity(folder: Path) -> None:
    identity = Identity.open(folder, "pump-17")
    for _ in range(12):
        identity.begin()
    identity.close()


def read_identity(folder: Path, *, writable: bool = True) -> Any:
    with closing(Identity.open(folder, writable=writable)) as identity:
        return identity.device, identity.boot, identity.closed


def state(folder: Path) -> None:
    with closing(State.open(folder)) as state:
        state.enrol(Enrolled(device="d" * 32, tags=("north",), batch="b", at=1.0, nonce="first"))
        state.change(product="pump", active="a", counter=7, floors={"pump": 6}, burned=(5,))
        state.change([state.outcome("confirmed", 7, "plan", 2.0)])
        for _ in range(20):
            state.next_sequence()
        state.set_nonce("second")


def read_state(folder: Path, *, writable: bool = True) -> Any:
    with closing(State.open(folder, writable=writable)) as state:
        return state.device_state, state.link, state.outcomes


def trust(folder: Path) -> None:
    with closing(MetadataState(folder)) as metadata:
        for version in range(1, 9):
            word = VerifiedMetadata(index=b"standings", signed=float(version), versions={"timestamp": version})
            metadata.learn(word, {("timestamp", "k" * 64): version, ("releases", "r" * 64): 3})


def read_trust(folder: Path) -> Any:
    with closing(MetadataState(folder)) as metadata:
        return metadata.word, metadata.floor("timestamp", "k" * 64), metadata.floor("releases", "r" * 64)


KINDS: dict[str, tuple[str, Callable[[Path], None], Callable[..., Any]]] = {
    "identity": (IDENTITY_FILE, identity, read_identity),
    "state": (FILE, state, read_state),
    "trust": (pinned_root.FILE, trust, read_trust),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def damages(size: int, step: int) -> Iterator[tuple[str, Callable[[bytes], bytes | None]]]:
    """Yield damages of a file: flipped bits at every `step` bytes and more in the header, lengths, its loss."""
    random = np.random.default_rng(0)
    for byte in sorted({*range(0, size, step), *range(0, min(size, HEADER), max(1, step // 12))}):
        mask = 1 << int(random.integers(8))
        yield f"bit {mask} at {byte}", lambda data, p=byte, m=mask: data[:p] + bytes([data[p] ^ m]) + data[p + 1 :]  # type: ignore[misc]
    for length in (0, 1, 16, HEADER, 4096, size // 2, size - 1):
        yield f"cut to {length}", lambda data, n=length: data[:n]  # type: ignore[misc]
    yield "zeros in a page", lambda data: data[: len(data) // 2] + bytes(min(4096, len(data) // 2))
    yield "no file", lambda data: None


def put(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)


def check_all(tmp_path: Path, kind: str, step: int) -> int:
    """Damage each copy in every way and return the number of damages; each is repaired and nothing is older."""
    name, make, read = KINDS[kind]
    sound = tmp_path / "sound"
    sound.mkdir()
    make(sound)
    expected = read(sound)
    count = 0
    for damaged in (sound / name, copy_of(sound / name)):
        for text, change in damages(damaged.stat().st_size, step):
            folder = tmp_path / "one"
            shutil.copytree(sound, folder)
            path = folder / damaged.name
            put(path, change(path.read_bytes()))
            assert read(folder) == expected, f"{damaged.name}: {text}"
            # Both are whole again: either is enough.
            for other in (folder / name, copy_of(folder / name)):
                assert other.stat().st_mode & 0o077 == 0
                alone = tmp_path / "alone"
                shutil.copytree(folder, alone)
                (alone / other.name).unlink()
                assert read(alone) == expected, f"{damaged.name}: {text}, without {other.name}"
                shutil.rmtree(alone)
            shutil.rmtree(folder)
            count += 1
    return count


@pytest.mark.slow
def test_damage_anywhere_in_either_copy_is_repaired(tmp_path: Path, kind: str) -> None:
    assert check_all(tmp_path, kind, 1009) > 30


@pytest.mark.heavy
@pytest.mark.slow
def test_damage_at_every_31st_byte_of_either_copy_is_repaired(tmp_path: Path, kind: str) -> None:
    assert check_all(tmp_path, kind, 31) > 500


@pytest.mark.parametrize("kind", ["identity", "state"])
def test_a_damaged_file_is_read_beside_the_agent_without_a_change(tmp_path: Path, kind: str) -> None:
    name, make, read = KINDS[kind]
    make(tmp_path)
    expected = read(tmp_path)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:5000] + b"\xff" * 200 + data[5200:])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert read(tmp_path, writable=False) == expected
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_repair_is_told(tmp_path: Path) -> None:
    identity(tmp_path)
    (tmp_path / IDENTITY_FILE).write_bytes(b"\xff" * 8192)
    read_identity(tmp_path)
    (damage,) = recovery.history(tmp_path)
    assert damage.file == IDENTITY_FILE + DAMAGED and damage.rescued == {"identity": 3}
    assert (tmp_path / damage.file).read_bytes() == b"\xff" * 8192


def test_boots_go_on_far_above_where_both_copies_are_damaged(tmp_path: Path) -> None:
    identity(tmp_path)
    for path in (tmp_path / IDENTITY_FILE, copy_of(tmp_path / IDENTITY_FILE)):
        path.write_bytes(b"\xff" * 5000)
    with closing(Identity.open(tmp_path, "pump-17")) as reopened:
        assert reopened.device == "pump-17" and reopened.boot >= 1 << 40
    again = read_identity(tmp_path)
    assert again[1] == reopened.boot


def test_boots_do_not_begin_again_where_both_copies_are_gone(tmp_path: Path) -> None:
    identity(tmp_path)
    (tmp_path / "store.sqlite").touch()
    for path in (tmp_path / IDENTITY_FILE, copy_of(tmp_path / IDENTITY_FILE)):
        path.unlink()
    assert read_identity(tmp_path)[1] >= 1 << 40


def test_a_lost_state_begins_again_with_another_key(tmp_path: Path) -> None:
    state(tmp_path)
    before = device_key(tmp_path)
    for path in (tmp_path / FILE, copy_of(tmp_path / FILE)):
        path.write_bytes(b"\xff" * 5000)
    stored, link, outcomes = read_state(tmp_path)
    assert (stored.begun, link.device, outcomes) == (False, "", ())
    assert public(device_key(tmp_path)) != public(before)


def test_lost_floors_of_metadata_are_not_made_anew(tmp_path: Path) -> None:
    trust(tmp_path)
    for path in (tmp_path / pinned_root.FILE, copy_of(tmp_path / pinned_root.FILE)):
        path.write_bytes(b"\xff" * 5000)
    with pytest.raises(LostError, match="trust-root"):
        read_trust(tmp_path)


class Cut(BaseException):
    """The power goes."""


def test_a_cut_between_the_copies_keeps_the_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state(tmp_path)
    with monkeypatch.context() as patch:

        def cut(path: Path, data: bytes) -> None:
            raise Cut

        opened_state = State.open(tmp_path)
        patch.setattr(file_operations, "replace_checked", cut)
        with pytest.raises(Cut):
            opened_state.set_nonce("third")
        opened_state.close()
    assert read_state(tmp_path)[1].nonce == "third"
    (tmp_path / FILE).unlink()
    assert read_state(tmp_path)[1].nonce == "third"


def test_a_full_disk_leaves_no_older_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state(tmp_path)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    opened_state = State.open(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(file_operations, "replace_checked", full)
        opened_state.set_nonce("third")
    assert not copy_of(tmp_path / FILE).exists()
    opened_state.set_nonce("fourth")
    opened_state.close()
    (tmp_path / FILE).unlink()
    assert read_state(tmp_path)[1].nonce == "fourth"


def test_a_copy_is_written_into_the_room_of_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state(tmp_path)
    copy, write = copy_of(tmp_path / FILE), file_operations.replace_checked

    def full(path: Path, data: bytes) -> None:
        if path.exists():
            path.with_name(f"{path.name}.new").write_bytes(data[:100])
            raise OSError(28, "No space left on device")
        assert not path.with_name(f"{path.name}.new").exists()
        write(path, data)

    opened_state = State.open(tmp_path)
    monkeypatch.setattr(file_operations, "replace_checked", full)
    for nonce in ("third", "fourth"):
        opened_state.set_nonce(nonce)
        assert copy.exists()
    opened_state.close()
    (tmp_path / FILE).unlink()
    assert read_state(tmp_path, writable=False)[1].nonce == "fourth"


def test_an_edgewright_without_copies_writes_beside_them(tmp_path: Path) -> None:
    """An update of the agent that is taken back runs the old agent on this file, and then the new one again."""
    identity(tmp_path)
    with closing(sqlite3.connect(tmp_path / IDENTITY_FILE)) as older, older:
        assert older.execute("PRAGMA user_version").fetchone() == (1,)
        older.execute("INSERT OR REPLACE INTO identity(key, value) VALUES ('boot', '13')")
    assert read_identity(tmp_path, writable=False)[1] == 13
    assert read_identity(tmp_path)[1] == 13
    (tmp_path / IDENTITY_FILE).unlink()
    assert read_identity(tmp_path)[1] == 13


def test_a_file_from_before_the_copies_is_taken_over(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / IDENTITY_FILE)) as older, older:
        older.execute("CREATE TABLE identity(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
        older.executemany("INSERT INTO identity VALUES (?, ?)", [("device", "old"), ("boot", "5"), ("closed", "1")])
        older.execute("PRAGMA user_version=1")
    assert read_identity(tmp_path) == ("old", 5, True)
    (tmp_path / IDENTITY_FILE).write_bytes(b"")
    assert read_identity(tmp_path) == ("old", 5, True)


def test_a_flipped_bit_in_a_log_that_a_kill_left_takes_nothing_back(tmp_path: Path) -> None:
    """The log would be read up to the damage: an older state, whole in itself."""
    live, cut = tmp_path / "live", tmp_path / "cut"
    live.mkdir()
    trust(live)
    open_ = MetadataState(live)
    for version in (20, 21):
        open_.learn(VerifiedMetadata(signed=float(version)), {("timestamp", "k" * 64): version})
    shutil.copytree(live, cut)
    open_.close()
    log = cut / f"{pinned_root.FILE}-wal"
    data = log.read_bytes()
    (cut / f"{pinned_root.FILE}-shm").unlink()
    for position in range(40, len(data), len(data) // 9):
        log.write_bytes(data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :])
        one = tmp_path / "one"
        shutil.copytree(cut, one)
        assert read_trust(one)[1] == 21, position
        shutil.rmtree(one)


def newer_words(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write the state as a newer agent does: sealed and copied, with something that this version does not know."""
    with closing(State.open(folder)) as state:
        (content,) = state._database.execute("SELECT value FROM kept WHERE key = 'held'")[0]
        fields = msgspec.json.decode(content)
        change(fields)
        with state._database.transaction():
            state._database.execute(
                "UPDATE kept SET value = ? WHERE key = 'held'", (msgspec.json.encode(fields).decode(),)
            )


@pytest.mark.parametrize("damaged", ["", FILE, "copy"])
@pytest.mark.parametrize("writable", [True, False])
def test_a_sealed_state_of_a_newer_version_is_no_damage(tmp_path: Path, damaged: str, writable: bool) -> None:
    state(tmp_path)
    device_key(tmp_path)
    newer_words(tmp_path, lambda fields: fields.update(floors={"pump": {"since": 6}}))
    if damaged:
        (tmp_path / FILE if damaged == FILE else copy_of(tmp_path / FILE)).write_bytes(b"\xff" * 5000)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="newer version"):
        read_state(tmp_path, writable=writable)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_older_agent_reads_what_a_newer_one_wrote_for_people(tmp_path: Path) -> None:
    state(tmp_path)
    newer_words(tmp_path, lambda fields: fields.update(because="comet", site="north", boards=[{"name": 1}]))
    with closing(State.open(tmp_path)) as opened_state, opened_state._database.transaction():
        opened_state._database.execute(
            "INSERT INTO outcomes VALUES (9, ?)", ('{"number":9,"what":"melted","counter":7,"plan":"p","at":1.0}',)
        )
    stored, link, outcomes = read_state(tmp_path)
    assert (stored.floors, stored.burned, stored.because, stored.boards) == ({"pump": 6}, (5,), "", ())
    assert (link.nonce, [outcome.number for outcome in outcomes]) == ("second", [1])


def upgraded(folder: Path, table: str) -> None:
    """Raise the version of the file with its seal, as a newer version does; the power goes before its copy."""
    with closing(State.open(folder)) as state:
        database = state._database
        assert isinstance(database, CopiedDatabase)
        database._version = 2
        if table:
            database._tables = ("kept",)
        with pytest.raises(Cut), pytest.MonkeyPatch.context() as patch:
            patch.setattr(database, "_write_copy", raising)
            with database.transaction():
                if table:
                    database.execute(table)
                database.execute("PRAGMA user_version=2")


def raising(data: bytes) -> None:
    raise Cut


@pytest.mark.parametrize("table", ["", "CREATE TABLE sites(name TEXT, at REAL)", "DROP TABLE outcomes"])
def test_an_older_copy_does_not_replace_a_newer_version(tmp_path: Path, table: str) -> None:
    state(tmp_path)
    upgraded(tmp_path, table)
    before = (tmp_path / FILE).read_bytes()
    for writable in (True, False):
        with pytest.raises(InputError, match="version 2"):
            read_state(tmp_path, writable=writable)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_newer_copy_is_not_set_aside_with_a_damaged_file(tmp_path: Path) -> None:
    state(tmp_path)
    device_key(tmp_path)
    copy = copy_of(tmp_path / FILE)
    data = file_operations.read_checked(copy)
    assert data is not None
    file_operations.replace_checked(copy, data.replace(b'"version":1', b'"version":2'))
    for content in (b"\xff" * 5000, None):
        put(tmp_path / FILE, content)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(InputError, match="newer version"):
            read_state(tmp_path)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_flipped_bit_in_the_version_is_repaired(tmp_path: Path) -> None:
    state(tmp_path)
    expected = read_state(tmp_path)
    data = bytearray((tmp_path / FILE).read_bytes())
    data[63] ^= 0x40  # user_version
    (tmp_path / FILE).write_bytes(data)
    assert read_state(tmp_path, writable=False) == expected
    assert read_state(tmp_path) == expected


def public(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def test_a_key_with_a_flipped_bit_is_the_same_key(tmp_path: Path) -> None:
    expected = public(device_key(tmp_path))
    sound = {name: (tmp_path / name).read_bytes() for name in (KEY_FILE, KEY_COPY)}
    for name, data in sound.items():
        for text, change in damages(len(data), 3):
            put(tmp_path / name, change(data))
            assert public(device_key(tmp_path)) == expected, f"{name}: {text}"
            assert {one: (tmp_path / one).read_bytes() for one in sound} == sound, f"{name}: {text}"
            assert all((tmp_path / one).stat().st_mode & 0o077 == 0 for one in sound)


def test_a_new_key_of_an_edgewright_without_copies_is_kept(tmp_path: Path) -> None:
    device_key(tmp_path)
    (tmp_path / "other").mkdir()
    other = device_key(tmp_path / "other")
    shutil.copy(tmp_path / "other" / KEY_FILE, tmp_path / KEY_FILE)
    assert public(device_key(tmp_path)) == public(other)
    (tmp_path / KEY_FILE).unlink()
    assert public(device_key(tmp_path)) == public(other)
