"""A decision record word by word: python tests/golden/test_advice.py writes it anew after it was looked at."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest

import advice_example
from edgewright.search.advise.document import markdown
from edgewright.search.advise.figures import parse_needs

_ESTIMATES = re.compile(r"[0-9][0-9.,]* (?:B|kB|µs|ms|uJ|mJ)\b")
RECORD = Path(__file__).resolve().parent / "advice_record.md"


def record(folder: Path) -> str:
    before = Path.cwd()
    os.chdir(folder)
    try:
        needs = parse_needs("offline,privacy,battery=1y")
        advice = advice_example.small(Path(), device="nrf52840", curve=False, needs=needs, prices={"rows": 86_400.0})
    finally:
        os.chdir(before)
    # Estimates of a device get better from time to time; their figures are tested where they are made.
    return _ESTIMATES.sub("#", markdown(advice_example.without_times(advice)))


@pytest.mark.slow
def test_the_record_of_a_small_table(tmp_path: Path) -> None:
    assert record(tmp_path) == RECORD.read_text(encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        RECORD.write_text(record(Path(scratch)), encoding="utf-8")
