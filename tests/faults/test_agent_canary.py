"""Raw rows stay on the device: what is planted in them is searched in every byte that leaves and that is printed."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_example import lines, package, reference, run, signal
from edgewright.core.errors import InputError
from edgewright.device.agent.settings import check_settings
from edgewright.device.agent.startup import run_agent
from edgewright.device.sources import short_source
from edgewright.device.store import reader

CANARY = 7.734191
WORD = "CANARY-8231"


def planted(folder: Path) -> None:
    """Rows with a value that is nowhere else, a cell that is no number, a bad time and a column nobody asks for."""
    values = signal(20.0)
    values[300:310, 1] = CANARY
    rows = [f"{index / 50:.3f},{a:.5f},{b:.6f},{WORD}" for index, (a, b) in enumerate(values.tolist())]
    rows[500] = f"{500 / 50:.3f},{WORD},20.0,x"
    rows[510] = f"{WORD},1.0,20.0,x"
    rows[520] = f'{520 / 50:.3f},"{WORD}'
    (folder / "rows.csv").write_text("time,level,heat,owner\n" + "\n".join(rows) + "\n")


def left(folder: Path, **settings: Any) -> tuple[bytes, str]:  # noqa: ANN401
    """All that left through a sink, and all that was printed."""
    package(folder / "switch.edge", reference=reference((-0.2, 0.2), (0.1, 0.3)))
    planted(folder)
    (folder / "out").mkdir()
    (folder / "heat.toml").write_text(
        'name = "heat"\nstates = ["low", "high"]\ninitial = "high"\nfallback = "stay"\nsteps = [\n'
        '{ state = "high", event = "row", when = "heat < 10", to = "low", actions = [{ alarm = "cold" }] },\n'
        '{ state = "low", event = "row", when = "heat > 15", to = "high" },\n]\n'
    )
    entry = {"path": "switch.edge", "decision": {"alarms": ["on"]}}
    table = {
        "packages": [entry], "rules": [{"path": "heat.toml"}], "agent": {"keep": "all"},
        "sink": [{"kind": "folder", "path": str(folder / "out")}], **settings,
    }  # fmt: skip
    # A live reader tells of what it cannot read; standard input would do the same.
    source = f"csv:{folder / 'rows.csv'}?begin=start"
    messages: list[str] = []
    events = _until_quiet(folder, source, table, messages)
    return b"".join(path.read_bytes() for path in (folder / "out").iterdir()), "\n".join(messages + lines(events))


def _until_quiet(folder: Path, source: str, table: dict[str, Any], printed: list[str]) -> list[Any]:
    """Run on a file that grows no more: ends when all of it was read."""
    events: list[Any] = []
    turns = iter(range(6))
    run_agent(
        check_settings(table, folder, "device.toml"), short_source(source), folder / "store",
        stop=lambda: next(turns, None) is None, say=printed.append, publish=events.extend, begin=lambda _: None,
    )  # fmt: skip
    return events


def traces(value: float) -> list[bytes]:
    """How a value could be written: text of several lengths, and its bits."""
    text = [f"{value:.{digits}f}".encode() for digits in (3, 4, 5, 6)]
    return [*text, repr(float(np.float32(value))).encode()[:8], struct.pack("<f", value), struct.pack("<d", value)]


def leaks_in(content: bytes, values: list[bytes]) -> list[bytes]:
    return [value for value in values if value in content]


def test_nothing_of_raw_rows_leaves(tmp_path: Path) -> None:
    sent, _ = left(tmp_path)
    assert sent.count(b'"cold"') == 1
    assert sent.count(b'"kind":"event"') > 5
    assert leaks_in(sent, [*traces(CANARY), WORD.encode()]) == []
    # The value was read and is in the store.
    with reader.look(tmp_path / "store") as database:
        kept = np.concatenate([stretch.values["heat"] for stretch in reader.rows(database, "")])
    assert (kept == np.float32(CANARY)).sum() == 10


def test_a_column_leaves_when_the_settings_name_it_and_no_other_does(tmp_path: Path) -> None:
    sent, _ = left(tmp_path, store={"send_columns": ["heat"]})
    assert leaks_in(sent, traces(CANARY))
    assert WORD.encode() not in sent
    levels = signal(20.0)[:, 0]
    assert leaks_in(sent, [repr(float(value)).encode() for value in levels[:50]]) == []


def test_the_search_finds_what_is_there() -> None:
    content = b"a" + struct.pack("<f", CANARY) + b"b" + f"{CANARY:.6f}".encode()
    assert len(leaks_in(content, traces(CANARY))) == 4
    assert leaks_in(signal(2.0).tobytes(), traces(CANARY)) == []


def test_the_desk_may_still_replay_it(tmp_path: Path) -> None:
    """A recording with such cells is refused by name when it is replayed whole: nothing is guessed."""
    package(tmp_path / "switch.edge")
    planted(tmp_path)
    with pytest.raises(InputError):
        run(tmp_path, f"replay:{tmp_path / 'rows.csv'}")
