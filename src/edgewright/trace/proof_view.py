"""A proof in the terminal: forms, every pair, every stage, and the first value that breaks a tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Console, Group, RenderableType
from rich.text import Text

from edgewright.core.formatting import percent, plural, seconds_text, shape_text
from edgewright.schema.proof import Difference, PairRecord, ProofRecord
from edgewright.trace.page import ACCENT, BAD, GOOD, QUIET, WARN, Page, add, note, page_of, print_parts, table
from edgewright.trace.proof_tables import files_table, forms_table, inside, matrix, stages_table

_LEGEND = {
    "float": "= bit-exact; otherwise the largest difference, as a share of what is allowed",
    "int8": "= bit-exact from the boundary on; otherwise how many values differ by one step for equal bytes; "
    "+n samples crossed a step before the boundary",
}
_TITLES = {"float": "Float forms, pair by pair", "int8": "int8 forms, pair by pair"}
# Pairs that break at the same stage are told once, and so many of the others by name.
_TOLD = 3
# From here on an allowance says that something else decides.
_ANY = 1e300


def print_proof(record: ProofRecord, console: Console) -> None:
    """Print a proof."""
    page = page_of(console)
    print_parts(proof_parts(record, page), console, page)


def proof_parts(record: ProofRecord, page: Page) -> Iterator[RenderableType]:
    """All parts in order, the verdict of each last."""
    yield from _whole(msgspec.structs.replace(record, **_own(record)), page)
    for part in record.parts:
        yield Text("")
        yield from proof_parts(part, page)


def _own(record: ProofRecord) -> dict[str, Any]:
    """Return what a proof says without its parts: where one of these breaks, it tells itself."""
    broken = [pair for pair in record.pairs if pair.breaks is not None]
    if record.parts and not broken:
        return {"parts": (), "breaks": None, "broken": (), "odd": ""}
    return {"parts": ()}


def _whole(record: ProofRecord, page: Page) -> Iterator[RenderableType]:
    """Yield a proof without its parts."""
    made = f"{plural(record.constructed, 'row')} by construction" if record.constructed else ""
    facts = page.facts(record.source, made, f"{shape_text(record.shape)} each", seconds_text(record.seconds))
    emulated = any(" emulated " in form.name for form in record.forms)
    yield Text.assemble(("prove ", "bold"), (record.name, ACCENT), "   Simulated processor among the forms" * emulated)
    yield note(facts)
    for sentence in record.notes:
        yield Text(sentence, style=WARN)
    yield from _files(record, page)
    yield page.heading("Forms")
    yield forms_table(record)
    for index, form in enumerate(record.forms, 1):
        if form.note and form.begins == "raw rows":
            few = f"{form.samples:,} samples; " if form.samples < record.samples + record.constructed else ""
            yield note(f"{index}: {few}{form.note}")
    yield from _hidden(record)
    yield from _absent(record)
    for numbers in ("float", "int8"):
        names = [form.name for form in record.forms if form.numbers == numbers]
        pairs = [pair for pair in record.pairs if pair.first in names and pair.second in names]
        if not pairs:
            continue
        yield page.heading(_TITLES[numbers])
        yield matrix(record, names, pairs)
        bytes_shown = any(pair.exact_from_boundary is not None for pair in pairs)
        yield note(_LEGEND[numbers if bytes_shown else "float"])
        yield Text("")
        yield stages_table(record, names, pairs)
        yield from _steps(pairs)
        yield from _moves(pairs)
    yield from _flips(record, page)
    yield from _ranges(record, page)
    yield page.heading("Verdict")
    yield from _verdict(record, page)


def _files(record: ProofRecord, page: Page) -> Iterator[RenderableType]:
    """Yield what was read from disk, and what of it no form runs."""
    if not record.files:
        return
    yield page.heading("Read from disk")
    yield files_table(record)
    left: dict[str, list[str]] = {}
    for file in record.files:
        if file.not_proven:
            left.setdefault(file.not_proven, []).append(file.name)
    for why, names in left.items():
        bad = any(name in record.failed for name in names)
        yield Text(f"not proven: {', '.join(names)} - {why}", style=BAD if bad else QUIET)


def _hidden(record: ProofRecord) -> Iterator[RenderableType]:
    """Yield what forms do not show, those that hide the same together."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, form in enumerate(record.forms, 1):
        if form.hidden:
            groups.setdefault(form.hidden, []).append(index)
    for stages, places in groups.items():
        few = ", ".join(stages[:_TOLD]) + (f" and {len(stages) - _TOLD} more" if len(stages) > _TOLD else "")
        yield note(f"not shown by {', '.join(map(str, places))}: {few}; checked by later stages")


def _absent(record: ProofRecord) -> Iterator[RenderableType]:
    if record.absent:
        yield Text("")
    for form in record.absent:
        if form.needed:
            yield Text(f"not proven: {form.name} - {form.reason}", style=BAD)
        else:
            yield note(f"skipped: {form.name} - {form.reason}")


def _steps(pairs: Sequence[PairRecord]) -> Iterator[RenderableType]:
    """Yield an example of an engine's own rounding."""
    for pair in pairs:
        found = pair.differs
        if pair.exact_from_boundary is False and pair.breaks is None and found is not None:
            names = {stage.stage for stage in inside(pair)}
            if found.stage in names:
                yield Text("")
                yield note(f"a step, for example: {told(found, (pair.first, pair.second))}")
                return


def _moves(pairs: Sequence[PairRecord]) -> Iterator[RenderableType]:
    """Yield samples that a last digit moved across a quantisation step, in the pair with most of them."""
    found = [pair for pair in pairs if pair.moved and pair.moves]
    if not found:
        return
    pair = max(found, key=lambda p: p.moved)
    move = pair.moves[0]
    reals = " and ".join(f"{value:.9g}" for value in move.reals)
    yield Text("")
    yield Text(
        f"{plural(pair.moved, 'sample')} moved across a quantisation step by a last digit or a tie, for example "
        f"{move.origin}, {move.place}: {f'{reals} become ' if reals else ''}{move.first:.0f} in {pair.first} and "
        f"{move.second:.0f} in {pair.second}",
        style=WARN,
    )


def told(found: Difference, forms: Sequence[str]) -> str:
    """Return a difference between two forms in a sentence."""
    location = f", {found.place}" if found.place else ""
    return (
        f"{found.stage}, {found.origin}{location}: {found.first:.9g} in {forms[0]}, "
        f"{found.second:.9g} in {forms[1]}{f' (allowed {found.allowed:.3g})' if found.allowed < _ANY else ''}"
    )


def _flips(record: ProofRecord, page: Page) -> Iterator[RenderableType]:
    """Yield labels that differ between forms, those of one answer together."""
    if not record.labels:
        return
    firsts = {n: next((f.name for f in record.forms if f.numbers == n), "") for n in ("float", "int8")}
    own = {form.name: form.samples for form in record.forms if form.rounding == "own"}
    engines = [pair for pair in record.pairs if pair.first == firsts["int8"] and pair.second in own]
    groups: dict[tuple[str, int, tuple[tuple[str, int], ...]], list[str]] = {}
    for pair in record.pairs:
        if pair in engines:
            continue
        # Against the first form of each kind; what int8 changes once, against the first float form.
        if pair.flips and pair.first in (firsts["float"], "" if pair.verdict == "quantised" else firsts["int8"]):
            groups.setdefault((pair.first, pair.flips, pair.flips_by_class), []).append(pair.second)
    yield page.heading("Labels")
    flipped = any(pair.flips for pair in engines)
    if not groups and not flipped:
        yield Text("every form gives every sample the same label")
    for (first, flips, by_class), others in groups.items():
        same = f"another label for {flips:,} of {record.samples:,} samples ({percent(flips / record.samples, 2)})"
        classes = ", ".join(f"{name} {count:,}" for name, count in by_class)
        rest = ", ".join(others) if len(others) <= _TOLD else f"{len(others)} int8 forms"
        yield Text(f"{first} / {rest}: {same}{f': {classes}' if classes else ''}")
    if flipped:
        counts = (
            f"{pair.second} {pair.flips:,} of {own[pair.second]:,} ({percent(pair.flips / own[pair.second], 1)})"
            for pair in engines
            if pair.flips is not None and own[pair.second]
        )
        yield Text(f"labels that differ from {firsts['int8']}: {', '.join(counts)}")


def _ranges(record: ProofRecord, page: Page) -> Iterator[RenderableType]:
    if not record.ranges:
        return
    yield page.heading("Declared input ranges")
    says = [form for form in record.forms if form.out_of_range is not None]
    agree = "all agree" if len({form.out_of_range for form in says}) <= 1 else "they do NOT agree"
    by = ", ".join(f"{name} {count:,}" for name, count in record.out_of_range_by_column)
    yield Text(
        f"{plural(record.ranges, 'column')} declared; {plural(record.out_of_range, 'sample')} outside"
        f"{f' ({by})' if by else ''}; {plural(len(says), 'form')} check them: {agree}"
    )


def _verdict(record: ProofRecord, page: Page) -> Iterator[RenderableType]:
    broken = [pair for pair in record.pairs if pair.breaks is not None]
    count = len(record.pairs)
    if not broken and record.failed:
        yield Text.assemble(("NOT PROVEN", BAD), f"  {', '.join(record.failed)} did not run; no tolerance is broken")
        return
    if not broken and not record.passed:
        yield Text.assemble(("NOT PROVEN", BAD), f"  nothing to compare: {plural(len(record.forms), 'form')} ran")
        return
    if not broken:
        exact = sum(pair.exact_from_boundary is True for pair in record.pairs)
        own = sum(pair.exact_from_boundary is False for pair in record.pairs)
        text = f"; {exact} int8 pairs bit-exact from the boundary on" if exact else ""
        text += f", {own} apart by an engine's own rounding" if own else ""
        yield Text.assemble(
            ("PROVEN", GOOD), _uncompared(record), f"no tolerance is broken in {plural(count, 'pair')}{text}"
        )
        return
    yield Text.assemble(("NOT PROVEN", BAD), f"  {len(broken)} of {plural(count, 'pair')} break a tolerance")
    if record.odd:
        yield Text.assemble("the form that differs: ", (record.odd, BAD))
    yield from _first_difference(record, broken, page)


def _uncompared(record: ProofRecord) -> str:
    """Return what the verdict leaves out, to stand behind its word."""
    left = record.uncompared
    if not left:
        return "  "
    some = "; ".join(f"{one.stage} of {one.form} ({one.reason})" for one in left[:_TOLD])
    more = f"; and {len(left) - _TOLD} more" if len(left) > _TOLD else ""
    return f", {plural(len(left), 'stage')} not compared: {some}{more}; "


def _first_difference(record: ProofRecord, broken: Sequence[PairRecord], page: Page) -> Iterator[RenderableType]:
    """Yield the earliest stage at which a pair breaks, framed, and who else breaks there."""
    found = record.breaks
    if found is None:
        return
    here = [pair for pair in broken if pair.breaks is not None and pair.breaks.stage == found.stage]
    first = next(pair for pair in here if (pair.first, pair.second) == record.broken)
    stage = next(stage for stage in first.stages if stage.stage == found.stage)
    made = table(["", ""], (1,))
    add(made, first.first, Text(f"{found.first:.9g}", style="bold"))
    add(made, first.second, Text(f"{found.second:.9g}", style=BAD))
    add(made, "allowed", f"{found.allowed:.3g}", style=QUIET)
    lines: list[RenderableType] = [
        Text(f"{found.origin}{f', {found.place}' if found.place else ''}"),
        made,
        note(f"{stage.beyond:,} of {stage.samples:,} samples beyond: {stage.tolerance}"),
    ]
    others = [f"{p.first} / {p.second}" for p in here if p is not first]
    if others:
        rest = f"; and {len(others) - _TOLD} more" if len(others) > _TOLD else ""
        lines.append(note(f"the same stage in {'; '.join(others[:_TOLD])}{rest}"))
    later = len(broken) - len(here)
    if later:
        lines.append(note(f"{plural(later, 'pair')} that begin later break at the first stage they share"))
    yield page.card(f"First difference: stage {found.stage}", [Group(*lines)])
