"""What `detect fit` chooses on unlabelled streams of NAB: fitted on the first half, judged by the events of the second.

No row of the second half and no label chooses anything. A family is judged by the kind with the highest F1 on the other
families. Events and alarms are those of `edgewright score`, without a pause; one false alarm a day is accepted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from benchmarks.anomalies import nab
from benchmarks.table import markdown
from edgewright.schema.data import Column
from edgewright.workflows.detection.early_alarms import Series
from edgewright.workflows.detection.fit import fit_detector, scored
from edgewright.workflows.detection.own_past_choice import family
from edgewright.workflows.detection.rows import Stretch, Watched
from edgewright.workflows.detection.selection import ALONE, choose
from edgewright.workflows.detection.threshold import Counts, ThresholdRequest, count, exposure

BEST, FRESH, RULE = "best at injected anomalies", "own_past from a fresh start", "best kind on the other families"


@dataclass(frozen=True)
class HalfResult:
    """Counts of one detector on the second half of one stream, and the days of it outside of events."""

    counts: Counts
    days: float

    @property
    def above(self) -> bool:
        """Whether more false alarms came than one a day, and more than one."""
        return self.counts.false > max(1.0, self.days)


def second_half(series: Series) -> dict[str, HalfResult]:
    """Return what every kind does, and the one that injected anomalies show as the best."""
    rows, half = len(series.values), len(series.values) // 2
    odd = np.zeros(rows, np.bool_)
    for first, last in series.windows:
        odd[first : last + 1] = True
    whole = Stretch(series.name, series.values.astype(np.float32)[:, None], series.time, odd)
    before, after = whole.part(0, half), whole.part(half, rows)
    before = Stretch(before.name, before.values, before.time)
    rate = 1 / float(np.median(np.diff(series.time)))
    watched = Watched(series.name, (Column(name="value"),), (before,), None, rate)
    choice = choose(watched, ThresholdRequest())
    results = {}
    skills = [skill for skill in choice.candidates if not skill.why]
    for skill in skills:
        fitted = fit_detector(watched, skill.kind)
        forms = {skill.kind: fitted.learnt}
        if skill.kind == ALONE:
            forms[FRESH] = {key: value for key, value in fitted.learnt.items() if key != "past"}
        for name, learnt in forms.items():
            counts = count(scored(skill.kind, learnt, after) >= fitted.spec.threshold.value, odd[half:])
            results[name] = HalfResult(counts, exposure(counts.calm, rate)[0])
    results[BEST] = results[max(skills, key=lambda skill: (skill.skill, -skill.bytes)).kind]
    return results


def _cells(results: list[HalfResult]) -> list[str]:
    total, days = sum((result.counts for result in results), Counts()), sum(result.days for result in results)
    events, alarms = total.detected + total.missed, max(1, total.detected + total.false)
    return [
        f"{total.detected} of {events}", f"{100 * total.detected / alarms:.0f} %", f"{total.f1:.2f}",
        f"{total.false / days:.2f}", f"{sum(result.above for result in results)} of {len(results)}",
    ]  # fmt: skip


def main() -> None:
    """Print each kind on all streams, and each family by what the others choose."""
    table: dict[str, dict[str, HalfResult]] = {}
    for series in nab.streams():
        print(series.name, file=sys.stderr, flush=True)
        if float(np.ptp(series.values)) > 0:
            table[series.name] = second_half(series)
    kinds = [kind for kind in next(iter(table.values())) if all(kind in results for results in table.values())]
    names, rule = {name: family(name) for name in table}, []
    heads = ["detector", "events found", "precision", "F1", "false alarms a day", "streams with more than accepted"]
    rows = [[kind, *_cells([results[kind] for results in table.values()])] for kind in kinds]
    families = []
    for excluded in dict.fromkeys(names.values()):
        others = [results for name, results in table.items() if names[name] != excluded]
        own = [results for name, results in table.items() if names[name] == excluded]
        best = max(
            (kind for kind in kinds if kind not in (BEST, FRESH)),
            key=lambda kind: sum((results[kind].counts for results in others), Counts()).f1,
        )
        rule += [results[best] for results in own]
        families += [[f"{excluded}: {best}", *_cells([results[best] for results in own])]]
        families += [[f"{excluded}: {BEST}", *_cells([results[BEST] for results in own])]]
    print(markdown(heads, [*rows, [RULE, *_cells(rule)], *families]))


if __name__ == "__main__":
    main()
