"""What `edgewright check` finds: one struct a finding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Severity = Literal["error", "warning", "note"]


class Finding(msgspec.Struct, frozen=True):
    """One fact about the data.

    Attributes:
        kind: what was looked for, such as 'missing', 'gap', 'same-group'.
        severity: 'error' makes results wrong, 'warning' may, 'note' is good to know.
        sentence: for a reader, with the numbers and the place.
        column: the column it is about; empty when it is about rows.
        numbers: the figures of the sentence by name.
    """

    kind: str
    severity: Severity
    sentence: str
    column: str = ""
    numbers: dict[str, float] = msgspec.field(default_factory=dict)


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What the data are like.

    Attributes:
        rows: of all recordings.
        labelled: rows that carry a label.
        recordings: their number.
        columns: their number.
        groups: number of persons or machines; 0 when unknown.
        rate: samples a second, estimated from the times; None without times.
        classes: labelled rows by class; empty for amounts and unlabelled data.
        findings: the worst first.
    """

    rows: int
    labelled: int
    recordings: int
    columns: int
    groups: int
    rate: float | None
    classes: dict[str, int]
    findings: tuple[Finding, ...]


_ORDER: tuple[Severity, ...] = ("error", "warning", "note")


def worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return findings by severity, in the order they were made within it."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def by_column(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings for people, one a column: the worst of a column says the others too.

    Args:
        findings: the worst first, as `worst_first` returns them.
    """
    joined: dict[tuple[str, int], Finding] = {}
    for number, finding in enumerate(findings):
        key = (finding.column, 0 if finding.column else number)
        if (worst := joined.get(key)) is None:
            joined[key] = finding
        else:
            further = finding.sentence.removeprefix(f"{finding.column}: ").removeprefix(f"{finding.column} ")
            sentence = f"{worst.sentence}. Also: {further}"
            joined[key] = msgspec.structs.replace(worst, sentence=sentence)
    return tuple(joined.values())


def percent(share: float) -> str:
    """Return a share as a reader writes it: 0.0312 gives '3.1 %'."""
    if share >= 0.001 or share < 1e-9:
        # Less than a thousand-millionth is what rounding leaves of nothing.
        return f"{100 * share:.1f} %" if share >= 0.001 else "0 %"
    return f"{100 * share:.2g} %"


def few(names: list[str], maximum: int = 5) -> str:
    """Return names in a sentence: the first ones and how many more there are."""
    more = f" and {len(names) - maximum} more" if len(names) > maximum else ""
    return ", ".join(names[:maximum]) + more
