"""What the agent has learnt is made of what it read: it counts in the quota, and goes when the data are purged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agent_example import Given, given, package, packets, signal
from edgewright.cli.main import run
from edgewright.core.files import write_atomic
from edgewright.device.agent.checkpoint import Checkpoint, SavedState
from edgewright.device.store import reader, status, stream_state
from edgewright.device.store.records import StoreConfig
from edgewright.device.store.startup import MIN_BYTES
from edgewright.device.store.store import Store
from edgewright.device.store.stream_state import LARGEST, LEARNED_FOLDER, STATE_FILE, share

CANARY = np.float32(0.987654)
STREAM = "ward-7-bed-3"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Of an agent that was stopped: windows that are not full yet lie in what it has learnt."""
    package(tmp_path / "switch.edge")
    values = signal(4.0, period=2.0)
    values[-3:, 1] = CANARY
    given(tmp_path, packets(values, stream=STREAM), settings={"agent": {"keep": "all"}}, live=True)
    return tmp_path / "store"


def holding(store: Path, *words: bytes) -> set[str]:
    """Return files of the store, beside copies of packages, in which one of these lies."""
    files = [path for path in store.rglob("*") if path.is_file() and "packages" not in path.parts]
    return {path.name for path in files if any(word in path.read_bytes() for word in words)}


def states(store: Path) -> dict[str, bytes]:
    with reader.look(store) as database:
        return stream_state.load(database)


def purged(store: Path, *arguments: str) -> int:
    return run(["device", "purge", "--store", str(store), *arguments])


def test_after_a_purge_of_everything_no_trace_of_the_data_remains(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (CANARY.tobytes(), STREAM.encode())
    assert states(store)
    left = store / f".{STATE_FILE}.killed"
    left.write_bytes(CANARY.tobytes())
    assert purged(store, "--table", "rows", "--table", "events", "--table", "outbox", "--set-aside", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["deleted"]["learnt"] == 2
    assert holding(store, *words) == set()
    assert not states(store)
    assert not left.exists()


@pytest.mark.parametrize(
    ("arguments", "stays"),
    [
        (["--table", "rows"], False), (["--table", "events"], False), (["--table", "learnt"], False),
        (["--table", "outbox"], True), (["--table", "rows", "--days", "1"], True), (["--set-aside"], True),
        (["--table", "rows", "--table", "learnt", "--days", "1"], False),
    ],
)  # fmt: skip
def test_it_goes_with_all_rows_all_events_or_by_its_name(
    store: Path, arguments: list[str], stays: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert purged(store, *arguments) == 0
    assert bool(states(store)) == stays
    assert ("learnt: " in capsys.readouterr().out) == (not stays)
    # The place in the source holds nothing of the rows.
    assert (status.read_state(store).source is None) == ("learnt" in arguments)


def test_what_was_learned_from_labels_goes_too(store: Path) -> None:
    learned = store / LEARNED_FOLDER / "switch"
    learned.mkdir(parents=True)
    for name in ("adapt.0", "adapt.1", ".adapt.0.killed"):
        (learned / name).write_bytes(CANARY.tobytes())
    assert purged(store, "--table", "outbox") == 0
    assert len(list(learned.iterdir())) == 3
    assert purged(store, "--table", "learnt") == 0
    assert list(learned.iterdir()) == []


def test_what_is_deleted_is_overwritten_first(store: Path) -> None:
    other = store.parent / "link"
    (store / STATE_FILE).write_bytes(CANARY.tobytes() * 100)
    other.hardlink_to(store / STATE_FILE)
    with Store.open(store, status.patient(store)) as opened:
        assert status.purge(opened, ["learnt"]) == {"learnt": 3}
    assert other.read_bytes() == bytes(400)


def test_an_agent_goes_on_after_a_purge_and_knows_nothing(store: Path) -> None:
    assert purged(store, "--table", "rows") == 0
    events = given(store.parent, packets(signal(2.0), stream=STREAM, begin=4.0), live=True)[0]
    assert [event.label for event in events if event.kind == "decision"] == ["off"]


@pytest.mark.parametrize("quota", [MIN_BYTES + (2 << 20), 12 << 20, 96 << 20])
def test_database_log_ballast_and_what_was_learnt_fit_into_the_quota(tmp_path: Path, quota: int) -> None:
    config = StoreConfig(quota=quota)
    part = share(config, MIN_BYTES)
    assert 0 <= part <= LARGEST
    assert (part == LARGEST) == (quota > 64 << 20)
    with Store.open(tmp_path, config) as opened:
        pages = int(opened.database.value("PRAGMA max_page_count")) * int(opened.database.value("PRAGMA page_size"))
        assert pages + config.ballast + (4 << 20) <= quota
        many = {f"detector\nx\n0\nstream {k}": SavedState(1.0, bytes(100_000)) for k in range(60)}
        opened.remember(*Checkpoint(opened, "given").saved(many, None, Given([]), done=lambda _: None, at_once=True))
        assert sum(map(len, states(tmp_path).values())) <= part
        if part > 200_000:
            assert Checkpoint(opened, "given").take("detector\nx\n0\nstream 59") is not None


def test_where_columns_are_encrypted_from_now_on_what_was_learnt_is_sealed(store: Path) -> None:
    pytest.importorskip("cryptography")
    folder = store.parent
    write_atomic(folder / "key", bytes(range(32)))
    (folder / "key").chmod(0o600)
    secret = {"encrypt": ["heat"], "key_file": str(folder / "key")}
    given(folder, packets(signal(2.0), begin=4.0), settings={"store": secret}, live=True)
    assert {data[:1] for data in states(store).values()} == {b"\x01"}
