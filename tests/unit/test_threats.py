"""The tables of threats name tests; each of them is there, and each attack that must be carried out has its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "threats.md"
END_TO_END = (
    "stolen online keys", "fast-forward, rotate, recover", "clock of a device at 1970",
    "clock of a device 400 days ahead", "clock of the server at 1970", "clock of the server 300 or 400 days ahead",
    "racing replicas", "failover", "old backup", "old copy of the whole machine", "control plane dead at 10 %",
    "a release that dies silently", "liars, 5 %", "liars, 20 %", "liars, 40 %", "clones", "id grinders",
    "13 months and 12 roots offline, by network", "13 months and 12 roots offline, by stick",
)  # fmt: skip


def tables(text: str) -> list[list[str]]:
    """Return rows of the tables that name tests, without their heads."""
    tables: list[list[str]] = []
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        head, _, *rows = block.splitlines()
        if head.rstrip(" |").endswith("tests"):
            tables.append(rows)
    return tables


def wrong(text: str, there: set[str]) -> list[str]:
    """Return what is not as it must be: rows without a test, tests that are gone, attacks without a row."""
    threats, attacks = tables(text)
    lines = [f"no test: {row}" for row in (*threats, *attacks) if not re.findall(r"`(test_\w+)`", row)]
    lines += [f"gone: {name}" for name in sorted(set(re.findall(r"`(test_\w+)`", "".join(threats + attacks))) - there)]
    return lines + [f"no row: {name}" for name in END_TO_END if not any(row.startswith(f"| {name}") for row in attacks)]


@pytest.fixture(scope="module")
def there() -> set[str]:
    """Provide names of all tests."""
    paths = (ROOT / "tests").rglob("test_*.py")
    matches = (re.findall(r"^(?:async )?def (test_\w+)", p.read_text(encoding="utf-8"), re.MULTILINE) for p in paths)
    return {name for names in matches for name in names}


def test_every_named_test_exists_and_every_threat_names_one(there: set[str]) -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert wrong(text, there) == []
    assert len(tables(text)[0]) > 20


def test_what_is_missing_is_found(there: set[str]) -> None:
    text = TABLE.read_text(encoding="utf-8")
    gone = "test_who_grinds_ids_for_a_place_in_the_canary_buys_no_votes"
    assert wrong(text, there - {gone}) == [f"gone: {gone}"]
    assert wrong(text.replace("| clones | both", "| copies | both"), there) == ["no row: clones"]
    row = next(line for line in text.splitlines() if line.startswith("| forged package"))
    assert wrong(text.replace(row, "| forged package | x | y | none |"), there) == [
        "no test: | forged package | x | y | none |"
    ]
