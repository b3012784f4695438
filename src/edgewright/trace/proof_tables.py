"""The tables of a proof: forms, pairs and stages."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.core.formatting import number, percent, plural, seconds_text
from edgewright.schema.proof import PairRecord, ProofRecord, StageVerdict
from edgewright.trace.page import BAD, GOOD, QUIET, add, table

# Pairs that stand beside each other in 80 columns with their names, and so many where there are more.
_MOST_COLUMNS, _COLUMNS = 9, 7


def forms_table(record: ProofRecord) -> RenderableType:
    """Return the forms that ran."""
    made = table(["", "form", "network in", "rounding", "begins at", "took"], (0, 5))
    for index, form in enumerate(record.forms, 1):
        rounding = {"ours": "defined once", "own": "its own", "": ""}[form.rounding]
        add(
            made,
            f"{index}",
            Text(form.name, style="bold"),
            form.numbers,
            rounding,
            form.begins,
            seconds_text(form.seconds),
        )
    return made


def files_table(record: ProofRecord) -> RenderableType:
    """Return the files that forms ran with, and the forms by number."""
    made = table(["file", "SHA-256", "bytes", "proven as"], (2,))
    places = {form.name: place for place, form in enumerate(record.forms, 1)}
    for file in record.files:
        if file.forms:
            same = f", the bytes of {file.same}" if file.same else ""
            # Forms of a stream stand in the proof of its own that follows.
            ran = [str(places[name]) for name in file.forms if name in places]
            ran += ["its stream"] if len(ran) < len(file.forms) else []
            add(
                made, Text(file.name, style="bold"), file.sha256[:12], f"{file.size_bytes:,}", f"{', '.join(ran)}{same}"
            )
    return made


def matrix(record: ProofRecord, names: Sequence[str], pairs: Sequence[PairRecord]) -> RenderableType:
    """Return a row and a column a form; each pair once. More columns than a terminal holds stand below each other."""
    places = {form.name: place for place, form in enumerate(record.forms, 1)}
    by_names = {(pair.first, pair.second): pair for pair in pairs}
    wide = len(names) - 1 if len(names) - 1 <= _MOST_COLUMNS else _COLUMNS
    parts: list[RenderableType] = []
    for begin in range(1, len(names), wide):
        seconds = names[begin : begin + wide]
        made = table(["", "", *(str(places[name]) for name in seconds)], (0, *range(2, len(seconds) + 2)))
        for row, first in enumerate(names[: begin + len(seconds) - 1]):
            cells = [
                _cell(by_names.get((first, second))) if begin + at > row else Text("")
                for at, second in enumerate(seconds)
            ]
            add(made, str(places[first]), Text(_without(first)), *cells)
        parts += [Text(""), made] if parts else [made]
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
    found = inside(pair)
    return sum(stage.off for stage in found), sum(stage.values for stage in found)


def inside(pair: PairRecord) -> list[StageVerdict]:
    """Return stages of the network of integers, after the bytes at its boundary."""
    return [stage for stage in pair.stages if stage.numbers == "int8" and stage.stage != "boundary bytes"]


def _rate(off: int, values: int) -> str:
    share = off / max(values, 1)
    return percent(share, 1) if share >= 0.001 else f"{max(1, round(1e6 * share)):,} ppm"


def stages_table(record: ProofRecord, names: Sequence[str], pairs: Sequence[PairRecord]) -> RenderableType:
    """Return the pair that is furthest apart at each stage; stages at which none is, in a line."""
    made = table(["stage", "furthest", "samples", "largest", "of what is allowed"], (2, 3, 4))
    same: list[str] = []
    for name in _order(record, names, pairs):
        found = [(stage, pair) for pair in pairs for stage in pair.stages if stage.stage == name]
        stage, pair = max(found, key=lambda entry: (entry[0].beyond > 0, entry[0].share, entry[0].differing))
        if not stage.differing:
            same.append(name)
            continue
        style = BAD if stage.beyond else ""
        add(
            made,
            Text(name, style=style),
            Text(_places(record, pair), style=QUIET),
            f"{stage.differing:,} of {stage.samples:,}",
            Text(_size(stage), style=style),
            Text(share_text(stage.share) if stage.numbers == "float" else "", style=QUIET),
        )
    alike = Text(f"bit-exact in every pair: {', '.join(same)}", style=QUIET) if same else Text("")
    return Group(made, alike) if made.row_count else alike


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
    places = {form.name: place for place, form in enumerate(record.forms, 1)}
    return f"{places[pair.first]} / {places[pair.second]}"


def _without(name: str) -> str:
    """Return a name without the kind of its numbers, which the heading says."""
    return name.removeprefix("float ").removeprefix("int8 ")
