"""A proof in the terminal: forms, every pair, every stage, and the first value that breaks a tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.core.formatting import number, percent, plural, seconds_text, shape_text
from edgewright.core.records.proof import Difference, PairRecord, ProofRecord, StageVerdict
from edgewright.trace.page import ACCENT, BAD, GOOD, QUIET, WARN, Page, add, note, table

# Pairs that stand beside each other in 80 columns with their names, and so many where there are more.
_MOST_COLUMNS, _COLUMNS = 9, 7


def forms_table(record: ProofRecord) -> RenderableType:
    """Return the forms that ran."""
    output = table(["", "form", "network in", "rounding", "begins at", "took"], (0, 5))
    for index, form in enumerate(record.forms, 1):
        rounding = {"ours": "defined once", "own": "its own", "": ""}[form.rounding]
        add(
            output, f"{index}", Text(form.name, style="bold"), form.numbers, rounding, form.begins,
            seconds_text(form.seconds),
        )  # fmt: skip
    return output


def files_table(record: ProofRecord) -> RenderableType:
    """Return the files that forms ran with, and the forms by number."""
    output = table(["file", "SHA-256", "bytes", "proven as"], (2,))
    places = {form.name: number for number, form in enumerate(record.forms, 1)}
    for file in record.files:
        if file.forms:
            same = f", the bytes of {file.same}" if file.same else ""
            # Forms of a stream stand in the proof of its own that follows.
            ran = [str(places[name]) for name in file.forms if name in places]
            ran += ["its stream"] if len(ran) < len(file.forms) else []
            add(
                output, Text(file.name, style="bold"), file.sha256[:12], f"{file.size_bytes:,}",
                f"{', '.join(ran)}{same}",
            )  # fmt: skip
    return output


def matrix(record: ProofRecord, names: Sequence[str], pairs: Sequence[PairRecord]) -> RenderableType:
    """Return a row and a column a form; each pair once. More columns than a terminal holds stand below each other."""
    places = {form.name: number for number, form in enumerate(record.forms, 1)}
    by_names = {(pair.first, pair.second): pair for pair in pairs}
    wide = len(names) - 1 if len(names) - 1 <= _MOST_COLUMNS else _COLUMNS
    parts: list[RenderableType] = []
    for begin in range(1, len(names), wide):
        seconds = names[begin : begin + wide]
        output = table(["", "", *(str(places[name]) for name in seconds)], (0, *range(2, len(seconds) + 2)))
        for row, first in enumerate(names[: begin + len(seconds) - 1]):
            cells = [
                _cell(by_names.get((first, second))) if begin + at > row else Text("")
                for at, second in enumerate(seconds)
            ]
            add(output, str(places[first]), Text(_without(first)), *cells)
        parts += [Text(""), output] if parts else [output]
    return Group(*parts)


def _cell(pair: PairRecord | None) -> Text:
    if pair is None or pair.verdict == "nothing shared":
        return Text("-", style=QUIET)
    if pair.breaks is not None:
        return Text("BROKEN", style=BAD)
    if pair.exact_from_boundary is not None:
        moved = f" +{pair.moved}" if pair.moved else ""
        if pair.exact_from_boundary:
            return Text(f"={moved}", style=GOOD)
        off, values = _off(pair)
        return Text(f"{_rate(off, values)}{moved}")
    if pair.differs is None:
        return Text("=", style=GOOD)
    return Text(share_text(max(stage.share for stage in pair.stages)))


def _off(pair: PairRecord) -> tuple[int, int]:
    """How many values of the network differ on the same bytes, and how many were compared."""
    stages = inside(pair)
    return sum(stage.off for stage in stages), sum(stage.values for stage in stages)


def inside(pair: PairRecord) -> list[StageVerdict]:
    """Return stages of the network of integers, after the bytes at its boundary."""
    return [stage for stage in pair.stages if stage.numbers == "int8" and stage.stage != "boundary bytes"]


def _rate(off: int, values: int) -> str:
    share = off / max(values, 1)
    return percent(share, 1) if share >= 0.001 else f"{max(1, round(1e6 * share)):,} ppm"


def stages_table(record: ProofRecord, names: Sequence[str], pairs: Sequence[PairRecord]) -> RenderableType:
    """Return the pair that is furthest apart at each stage; stages at which none is, in a line."""
    output = table(["stage", "furthest", "samples", "largest", "of what is allowed"], (2, 3, 4))
    same: list[str] = []
    for name in _order(record, names, pairs):
        verdicts = [(stage, pair) for pair in pairs for stage in pair.stages if stage.stage == name]
        stage, pair = max(verdicts, key=lambda entry: (entry[0].beyond > 0, entry[0].share, entry[0].differing))
        if not stage.differing:
            same.append(name)
            continue
        style = BAD if stage.beyond else ""
        add(
            output, Text(name, style=style), Text(_places(record, pair), style=QUIET),
            f"{stage.differing:,} of {stage.samples:,}", Text(_size(stage), style=style),
            Text(share_text(stage.share) if stage.numbers == "float" else "", style=QUIET),
        )  # fmt: skip
    alike = Text(f"bit-exact in every pair: {', '.join(same)}", style=QUIET) if same else Text("")
    return Group(output, alike) if output.row_count else alike


def _order(record: ProofRecord, names: Sequence[str], pairs: Sequence[PairRecord]) -> list[str]:
    """Return stages that pairs share, in the order of the form that shows most of them."""
    shared = {stage.stage for pair in pairs for stage in pair.stages}
    shown = [form.stages for form in record.forms if form.name in names]
    order = dict.fromkeys(stage for stages in sorted(shown, key=len, reverse=True) for stage in stages)
    return [stage for stage in order if stage in shared]


def _size(stage: StageVerdict) -> str:
    if stage.numbers == "int8":
        return plural(round(stage.largest), "step")
    return plural(stage.differing, "sample") if stage.numbers == "label" else number(stage.largest)


def share_text(share: float) -> str:
    """'< 1 %' for a little; what is beyond what is allowed as a multiple."""
    if share > 1:
        return f"{share:,.1f} times" if share < 1e6 else f"{share:.1e} times"
    return "< 1 %" if share < 0.01 else percent(share)


def _places(record: ProofRecord, pair: PairRecord) -> str:
    places = {form.name: number for number, form in enumerate(record.forms, 1)}
    return f"{places[pair.first]} / {places[pair.second]}"


def _without(name: str) -> str:
    """Return a name without the kind of its numbers, which the heading says."""
    return name.removeprefix("float ").removeprefix("int8 ")


_LEGEND = {
    "float": "= bit-exact; otherwise the largest difference, as a share of what is allowed",
    "int8": "= bit-exact from the boundary on; otherwise how many values differ by one step for equal bytes; "
    "+n samples crossed a step before the boundary",
}
_TITLES = {"float": "Float forms, pair by pair", "int8": "int8 forms, pair by pair"}
# Pairs that break at the same stage are told once, and so many of the others by name.
_NAMED = 3
# From here on an allowance says that something else decides.
_ANY = 1e300


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
    constructed = f"{plural(record.constructed, 'row')} by construction" if record.constructed else ""
    facts = page.facts(record.source, constructed, f"{shape_text(record.shape)} each", seconds_text(record.seconds))
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
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, form in enumerate(record.forms, 1):
        if form.hidden:
            groups.setdefault(form.hidden, []).append(index)
    for stages, places in groups.items():
        few = ", ".join(stages[:_NAMED]) + (f" and {len(stages) - _NAMED} more" if len(stages) > _NAMED else "")
        yield note(f"not shown by {', '.join(map(str, places))}: {few}; checked by later stages")


def _absent(record: ProofRecord) -> Iterator[RenderableType]:
    if record.absent:
        yield Text("")
    for form in record.absent:
        if form.needed:
            at = f" at stage {form.stage}" if form.stage else ""
            yield Text(f"not proven: {form.name}{at} - {form.reason}", style=BAD)
        else:
            yield note(f"skipped: {form.name} - {form.reason}")


def _steps(pairs: Sequence[PairRecord]) -> Iterator[RenderableType]:
    """Yield an example of an engine's own rounding."""
    for pair in pairs:
        difference = pair.differs
        if pair.exact_from_boundary is False and pair.breaks is None and difference is not None:
            names = {stage.stage for stage in inside(pair)}
            if difference.stage in names:
                yield Text("")
                yield note(f"a step, for example: {difference_text(difference, (pair.first, pair.second))}")
                return


def _moves(pairs: Sequence[PairRecord]) -> Iterator[RenderableType]:
    moved = [pair for pair in pairs if pair.moved and pair.moves]
    if not moved:
        return
    pair = max(moved, key=lambda p: p.moved)
    move = pair.moves[0]
    reals = " and ".join(f"{value:.9g}" for value in move.reals)
    yield Text("")
    yield Text(
        f"{plural(pair.moved, 'sample')} moved across a quantisation step by a last digit or a tie, for example "
        f"{move.origin}, {move.location}: {f'{reals} become ' if reals else ''}{move.first:.0f} in {pair.first} and "
        f"{move.second:.0f} in {pair.second}",
        style=WARN,
    )


def difference_text(difference: Difference, forms: Sequence[str]) -> str:
    """Return a difference between two forms in a sentence."""
    location = f", {difference.location}" if difference.location else ""
    allowed = f" (allowed {difference.allowed:.3g})" if difference.allowed < _ANY else ""
    return (
        f"{difference.stage}, {difference.origin}{location}: {difference.first:.9g} in {forms[0]}, "
        f"{difference.second:.9g} in {forms[1]}{allowed}"
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
        rest = ", ".join(others) if len(others) <= _NAMED else f"{len(others)} int8 forms"
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
    count, left = len(record.pairs), record.left_out(_NAMED)
    if left and not record.passed:
        yield Text(left, style=WARN)
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
            ("PROVEN", GOOD),
            f", {left}; " if left else "  ",
            f"no tolerance is broken in {plural(count, 'pair')}{text}",
        )
        return
    yield Text.assemble(("NOT PROVEN", BAD), f"  {len(broken)} of {plural(count, 'pair')} break a tolerance")
    if record.odd:
        yield Text.assemble("the form that differs: ", (record.odd, BAD))
    yield from _first_difference(record, broken, page)


def _first_difference(record: ProofRecord, broken: Sequence[PairRecord], page: Page) -> Iterator[RenderableType]:
    """Yield the earliest stage at which a pair breaks, framed, and who else breaks there."""
    difference = record.breaks
    if difference is None:
        return
    here = [pair for pair in broken if pair.breaks is not None and pair.breaks.stage == difference.stage]
    first = next(pair for pair in here if (pair.first, pair.second) == record.broken)
    stage = next(stage for stage in first.stages if stage.stage == difference.stage)
    values = table(["", ""], (1,))
    add(values, first.first, Text(f"{difference.first:.9g}", style="bold"))
    add(values, first.second, Text(f"{difference.second:.9g}", style=BAD))
    add(values, "allowed", f"{difference.allowed:.3g}", style=QUIET)
    lines: list[RenderableType] = [
        Text(f"{difference.origin}{f', {difference.location}' if difference.location else ''}"),
        values,
        note(f"{stage.beyond:,} of {stage.samples:,} samples beyond: {stage.tolerance}"),
    ]
    others = [f"{p.first} / {p.second}" for p in here if p is not first]
    if others:
        rest = f"; and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        lines.append(note(f"the same stage in {'; '.join(others[:_NAMED])}{rest}"))
    later = len(broken) - len(here)
    if later:
        lines.append(note(f"{plural(later, 'pair')} that begin later break at the first stage they share"))
    yield page.card(f"First difference: stage {difference.stage}", [Group(*lines)])
