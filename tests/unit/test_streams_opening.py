"""Opening a source by its short form or its table, and counting what was lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.device.agent.settings import check_settings
from edgewright.device.sources import short_source
from edgewright.device.sources._packet import Arrived, Backoff, Stamper
from edgewright.schema.errors import InputError, UnknownNameError


def test_the_rate_that_is_expected_goes_to_a_source_whose_settings_leave_it_open(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x\n1\n")
    for source, rate in ((f"csv:{file}", 50.0), (f"csv:{file}?rate=20", 20.0), (f"replay:{file}?rate=5", 5.0)):
        stream = short_source(source, 50.0).open(("x",))
        assert stream.rate == rate
        stream.close()


@pytest.mark.parametrize(
    ("source", "key"), [("replay:a.csv?speed=abc", "speed"), ("replay:a.csv?speed=-1", "speed"), ("csv", "")]
)
def test_a_value_of_another_kind_is_named_with_its_key(source: str, key: str) -> None:
    with pytest.raises(InputError) as caught:
        short_source(source)
    assert caught.value.where == f"--source {key}".strip()


def test_tables_with_unknown_keys_and_wrong_values_are_refused() -> None:
    for table, error in (
        ({"kind": "csv", "pth": "x"}, UnknownNameError), ({}, InputError), ({"kind": "csv"}, InputError),
        ({"kind": "serial", "port": "/dev/x", "baud": "fast"}, InputError), ({"kind": "sreial"}, UnknownNameError),
    ):  # fmt: skip
        with pytest.raises(error) as caught:
            check_settings({"source": {**table, "rate": 1.0}}, Path(), "device.toml")
        assert caught.value.where.startswith("device.toml source")


def lost(stamper: Stamper, *counts: int) -> int:
    rows = np.zeros((len(counts), 1), np.float32)
    return stamper.packet(Arrived(rows, np.arange(len(counts), dtype=np.float64), np.array(counts, np.int64))).lost


def test_what_the_count_skips_is_lost_and_a_new_start_is_not() -> None:
    stamper = Stamper()
    assert [lost(stamper, 100, 101), lost(stamper, 102, 105), lost(stamper, 106), lost(stamper, 110)] == [0, 2, 0, 3]
    assert [lost(stamper, 109), lost(stamper, 112, 111), lost(stamper, 113, 113)] == [0, 0, 0]
    assert [lost(Stamper(), 5000, 5001), lost(stamper, 5000)] == [0, 4886]
    assert [lost(stamper, 0, 1, 3), lost(stamper, 4)] == [1, 0]


def test_attempts_come_ever_more_slowly_and_at_last_every_thirty_seconds() -> None:
    now = [0.0]
    backoff = Backoff(clock=lambda: now[0])
    assert backoff.wait() == 0
    waits = []
    for _ in range(10):
        backoff.failed()
        waits.append(round(backoff.wait(), 3))
        now[0] += backoff.wait()
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    backoff.worked()
    backoff.failed()
    assert backoff.wait() == pytest.approx(0.2)
