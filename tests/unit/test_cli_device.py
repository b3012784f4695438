"""`edgewright device status|query|export|purge`, while the store is open and after it was closed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.core.formatting import bytes_text
from store_example import event, opened, put_rows


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with opened(tmp_path / "s", quota=20 << 20) as one:
        one.append_events([event("alarm", "fall", 1), event("decision", "walking", 2)])
        put_rows(one)
    return tmp_path / "s"


def test_status_in_words_and_as_json(store: Path, cli: Cli) -> None:
    words = cli("device", "status", "--store", store, "--check")
    assert "device device-1, boot 1" in words
    assert "of 21 MB" in words
    assert "waiting to leave: 1 alarm, 1 decision" in words
    assert "every page was read, no damage" in words
    record = cli.json("device", "status", "--store", store)
    assert record["tables"]["events"]["entries"] == 2
    assert record["written_ever"] > 8000
    assert record["damage"] == []


def test_the_ballast_counts_in_what_is_on_the_disk_as_it_does_in_the_quota(tmp_path: Path, cli: Cli) -> None:
    with opened(tmp_path / "s", quota=40 << 20, ballast=8_000_000) as one:
        one.append_events([event("alarm", "fall", 1)])
    record = cli.json("device", "status", "--store", tmp_path / "s")
    assert record["ballast_bytes"] == 8_000_000
    assert record["disk_bytes"] < 1_000_000
    words = cli("device", "status", "--store", tmp_path / "s")
    assert f"on the disk {bytes_text(record['disk_bytes'] + 8_000_000)} of 41.9 MB, 8 MB of it ballast" in words


def test_rows_of_a_store_that_keeps_none_are_refused(store: Path, tmp_path: Path, cli: Cli) -> None:
    out = str(tmp_path / "rows.csv")
    export = ("export", "--rows", "--out", out, "--column")
    with opened(tmp_path / "none") as one:
        one.append_events([event("alarm", "fall", 1)])
    text = cli("device", *export, "nope", "--store", tmp_path / "none", code=2)
    assert "expected a store that keeps raw rows, got none" in text
    assert 'keep = "alarm"' in text
    assert not Path(out).exists()
    assert "Known: ax, ay" in cli("device", *export, "nope", "--store", store, code=2)
    assert cli("device", *export, "ax", "--store", store).startswith("50 rows in")
    late = cli("device", *export, "ax", "--store", store, "--since", "9000000000", "--force")
    assert late.startswith("0 rows in")
    assert "none for this stream and time" in late
    early = cli("device", *export, "ax", "--store", store, "--until", "1.0", "--force")
    assert early.startswith("0 rows in")


def test_looking_writes_nothing_and_counts_no_boot(store: Path, cli: Cli) -> None:
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    cli("device", "status", "--store", store)
    cli("device", "query", "--store", store)
    assert {p.name: p.read_bytes() for p in store.iterdir() if not p.name.endswith(("-shm", "-wal"))} == before


def test_query_while_the_store_is_written(store: Path, cli: Cli) -> None:
    with opened(store) as writer:
        writer.append_events([event("alarm", "smoke", 9)])
        writer.commit()
        lines = [json.loads(line) for line in cli("device", "query", "--store", store, "--json").splitlines()]
        assert [(line["boot"], line["event"]["label"]) for line in lines] == [(2, "smoke"), (1, "walking"), (1, "fall")]
        assert "expected a store that no other process writes" in cli(
            "device", "purge", "--store", store, "--table", "rows", code=2
        )
    assert len(cli("device", "query", "--store", store, "--kind", "alarm", "--limit", "1").splitlines()) == 1
    assert "Known: alarm" in cli("device", "query", "--store", store, "--kind", "alert", code=2)


def test_purge_deletes_what_is_named_and_keeps_the_rest(store: Path, cli: Cli) -> None:
    (store / "store.damaged-boot000001-1.sqlite").write_bytes(b"x")
    record = cli.json("device", "purge", "--store", store, "--table", "rows", "--set-aside")
    assert record["deleted"] == {"rows": 1}
    assert record["files"] == ["store.damaged-boot000001-1.sqlite"]
    state = cli.json("device", "status", "--store", store)
    assert (state["tables"]["rows"]["entries"], state["tables"]["events"]["entries"]) == (0, 2)
    assert state["quota"] == 20 << 20
    assert cli("device", "purge", "--store", store, "--table", "events", "--days", "1").startswith("events: 0")
    assert "Known: events, learnt, outbox, rows" in cli("device", "purge", "--store", store, "--table", "row", code=2)
    cli("device", "purge", "--store", store, code=2)


def test_a_folder_without_a_store_stays_as_it_is(tmp_path: Path, cli: Cli) -> None:
    for command in (["status"], ["query"], ["purge", "--table", "rows"], ["export", "--out", str(tmp_path / "a.csv")]):
        assert "expected a folder with a store" in cli("device", *command, "--store", tmp_path, code=2)
    assert list(tmp_path.iterdir()) == []
    assert "Did you mean 'device status'?" in cli("device", "statsu", code=2)


def test_a_damaged_store_is_a_check_that_says_no(store: Path, cli: Cli) -> None:
    content = bytearray((store / "store.sqlite").read_bytes())
    page = content.find(b"walking") // 4096 * 4096
    content[page : page + 100] = b"\xff" * 100
    (store / "store.sqlite").write_bytes(bytes(content))
    assert "is damaged" in cli("device", "status", "--store", store, "--check", code=1)
