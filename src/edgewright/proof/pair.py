"""Two forms beside one another, stage by stage, to the first that differs."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.proof import tolerance
from edgewright.proof.form import (
    BYTES,
    CLASSES,
    LABEL,
    OUTPUT,
    PREDICTION,
    PROBABILITIES,
    RANGE,
    Form,
    Stages,
    Yardstick,
)
from edgewright.proof.stage import Compared, Mask, aligned, distance, equal, judge, same_bits, shown
from edgewright.schema.proof import Difference, PairRecord, StageVerdict, Verdict

# How many samples that moved across a quantisation step are shown with their values.
_SHOWN = 3
# Stages that are no numbers but facts, and what must be the same of them.
_SAME = {RANGE: "the same declared ranges", CLASSES: "the same names in the same order"}


def compare(
    forms: tuple[Form, Form], values: tuple[Stages, Stages], yard: Yardstick, reference: Stages | None = None
) -> PairRecord:
    """Judge a pair.

    Args:
        forms: of the pair.
        values: what each gave for the same samples.
        yard: what tolerances are measured by.
        reference: layers of the integer network that every int8 form of ours must equal, for those that hide some.
    """
    return _Pair(forms, values, yard, reference or {}).record()


class _Pair:
    """Walks the stages. A sample is judged until it parts: what follows from a difference is no difference more."""

    def __init__(
        self, forms: tuple[Form, Form], values: tuple[Stages, Stages], yard: Yardstick, reference: Stages
    ) -> None:
        count = min(len(next(iter(stages.values()))) for stages in values)
        self.a, self.b, self.reference = (
            {stage: v[:count] for stage, v in stages.items()} for stages in (*values, reference)
        )
        self.forms, self.yard = forms, yard
        self.mixed = forms[0].numbers != forms[1].numbers
        self.ours = forms[0].ours and forms[1].ours
        # Not beyond a tolerance yet; the same bytes at every stage of integers so far; the last reals bit-exact.
        self.alive, self.same = np.ones(count, np.bool_), np.ones(count, np.bool_)
        self.exact = np.ones(count, np.bool_)
        self.moved = np.zeros(count, np.bool_)
        # What leads to no answer is not compared, but that there is none.
        self.none = np.zeros(count, np.bool_) if yard.unanswered is None else yard.unanswered[:count]
        self.last: tuple[NDArray[Any], NDArray[Any]] | None = None
        self.moves: tuple[Difference, ...] = ()
        self.verdicts: list[StageVerdict] = []
        self.differs: Difference | None = None
        self.breaks: Difference | None = None
        self.inside_off, self.integers = 0, False
        # A layer before this stage is hidden, and nothing says what it held.
        self.blind = False

    def record(self) -> PairRecord:
        shared = [stage for stage in self.a if stage in self.b]
        if self.mixed:
            shared = [stage for stage in shared if stage in (RANGE, CLASSES) or stage in self.yard.before]
        # Nothing says which samples moved across a step where one form does not show its bytes.
        self.unseen = not self.mixed and self.forms[0].numbers == "int8" and BYTES not in shared
        for stage in self._order():
            if stage not in shared:
                self._hidden(stage)
                continue
            pair = aligned(self.a[stage], self.b[stage])
            if pair is None:
                self._another_shape(stage)
            elif stage == LABEL:
                self._label(*pair)
            elif stage in _SAME:
                words = _SAME[stage]
                self._keep(judge(stage, "label", distance(*pair), np.zeros(pair[0].shape), self.alive, words), *pair)
            elif pair[0].dtype == np.int8:
                self._bytes(stage, *pair)
            else:
                self._reals(stage, *pair)
        flips, by_class = self._flips()
        return PairRecord(
            first=self.forms[0].name,
            second=self.forms[1].name,
            verdict=self._verdict(),
            exact_from_boundary=self.inside_off == 0 if self.integers and not self.mixed else None,
            stages=tuple(self.verdicts),
            moved=int(self.moved.sum()),
            moves=self.moves,
            flips=flips,
            flips_by_class=by_class,
            differs=self.differs,
            breaks=self.breaks,
        )

    def _verdict(self) -> Verdict:
        if self.breaks is not None:
            return "broken"
        if self.mixed:
            return "quantised"
        if not self.verdicts:
            return "nothing shared"
        return "bit-exact" if self.differs is None else "within tolerance"

    def _order(self) -> list[str]:
        """Return stages of either, in the order of what shows most of them."""
        known = sorted((self.a, self.b, self.reference), key=len, reverse=True)
        order = dict.fromkeys(stage for stages in known for stage in stages)
        return [stage for stage in order if stage in self.a or stage in self.b]

    def _hidden(self, stage: str) -> None:
        """Follow a layer of integers that one form does not show: what came before it no longer says who is alike.

        A form of ours has the layers of the reference, to which it is held bit by bit. Of another nothing is known, and
        the pair is judged by its ends alone.
        """
        shown, hides = (self.a, self.forms[1]) if stage in self.a else (self.b, self.forms[0])
        if self.mixed or self.ours or shown[stage].dtype != np.int8 or stage in (BYTES, OUTPUT):
            return
        known = self.reference.get(stage)
        pair = None if known is None or not hides.ours else aligned(shown[stage], known)
        if pair is None:
            self.blind = True
        elif not same_bits(*pair):
            self.same &= ~np.any((pair[0] != pair[1]).reshape(len(self.same), -1), axis=1)

    def _hidden_are_ours(self) -> bool:
        """Return whether every form of the pair that hides its layers is one that must equal the reference."""
        sides = zip(self.forms, (self.a, self.b), strict=True)
        return all(form.ours for form, stages in sides if not any(s.startswith("layer ") for s in stages))

    def _reals(self, stage: str, a: NDArray[Any], b: NDArray[Any]) -> None:
        _, words = tolerance.allowed(stage, a[:0], self.yard)
        self.last = a, b
        if same_bits(a, b):
            self.exact[:] = True
            self._keep(equal(stage, "float", a, words), a, b)
            return
        difference = distance(a, b)
        limit, words = tolerance.allowed(stage, a, self.yard)
        ends = stage in (PROBABILITIES, PREDICTION)
        judged = self.alive if ends else self.alive & ~self.none
        if stage in (PROBABILITIES, PREDICTION) and self.unseen:
            limit, words = tolerance.wide(stage, a, self.yard)
            if not self.ours and self._hidden_are_ours():
                judged, words = np.zeros_like(self.alive), tolerance.ELSEWHERE
        elif stage in (PROBABILITIES, PREDICTION) and self.integers:
            judged = self.alive & (self.same | self.none)
            if not self.ours:
                # What such an engine shows inside is a copy of the model with more outputs. Where it joins operators in
                # another way than in what is shipped, the same bytes seen inside need not lead to the same end.
                limit, words = tolerance.wide(stage, a, self.yard)
            if self.blind:
                judged = self.alive
        self.exact[:] = ~(difference.reshape(len(a), -1) > 0).any(axis=1)
        self._keep(judge(stage, "float", difference, limit, judged, words), a, b)

    def _bytes(self, stage: str, a: NDArray[Any], b: NDArray[Any]) -> None:
        self.integers = True
        words = tolerance.EXACT if self.ours else tolerance.ONE_STEP
        if same_bits(a, b):
            self._keep(equal(stage, "int8", a, words), a, b)
            return
        difference = distance(a, b)
        limit = np.full(a.shape, 0.0 if self.ours else 1.0)
        if stage == BYTES:
            # Reals that were not quite equal may round to either side of the same step.
            limit[~self.exact] = np.maximum(self._reals_apart(a)[~self.exact], 1.0)
            words += "; one step where the reals before it are not bit-exact"
        elif self.blind:
            limit[:] = np.inf
            words = "seen through the probabilities"
        found = judge(stage, "int8", difference, limit, self.alive & self.same & ~self.none, words)
        if stage == BYTES:
            self.moved = found.differing & ~found.beyond & (~self.exact | (not self.ours))
            self._show_moves(found, a, b)
        else:
            self.inside_off += found.verdict.off
        self._keep(found, a, b)
        self.same &= ~found.differing

    def _reals_apart(self, a: NDArray[Any]) -> NDArray[np.float64]:
        """Return the steps between the reals before the boundary for constructed samples; 0 where none is visible."""
        apart = np.zeros(a.shape)
        odd = ~self.yard.data(len(a))
        if self.last is None or not self.yard.step or self.last[0].size != a.size or not odd.any():
            return apart
        steps = np.ceil(distance(*(values[odd] for values in self.last)) / self.yard.step)
        apart[odd] = np.nan_to_num(steps, posinf=0.0).reshape(apart[odd].shape)
        return apart

    def _show_moves(self, found: Compared, a: NDArray[Any], b: NDArray[Any]) -> None:
        made = []
        for row in np.flatnonzero(self.moved)[:_SHOWN]:
            one = np.zeros(len(a), np.bool_)
            one[row] = True
            difference = shown(found, a, b, one, self.yard)
            if difference is not None:
                made.append(msgspec.structs.replace(difference, reals=self._rounded(a, b, int(row))))
        self.moves = tuple(made)

    def _rounded(self, a: NDArray[Any], b: NDArray[Any], row: int) -> tuple[float, ...]:
        """Return the real numbers behind the bytes of a sample that differ most."""
        if self.last is None or self.last[0][row].size != a[row].size:
            return ()
        index = int(np.argmax(distance(a[row], b[row])))
        return tuple(float(values[row].reshape(-1)[index]) for values in self.last)

    def _label(self, a: NDArray[Any], b: NDArray[Any]) -> None:
        if np.array_equal(a, b):
            self._keep(equal(LABEL, "label", a, tolerance.SAME), a, b)
            return
        judged = self.alive & (self.same & (self.ours or not self.integers) & (not self.unseen) | self.none)
        if self.forms[0].numbers == "float" and PROBABILITIES in self.a:
            # Between two classes that are as likely, either answer is right.
            top = np.sort(self.a[PROBABILITIES].reshape(len(a), -1), axis=1)[:, -2:]
            limit, _ = tolerance.allowed(PROBABILITIES, self.a[PROBABILITIES], self.yard)
            judged = judged & ((top[:, -1] - top[:, 0] > 2 * limit.reshape(len(a), -1).max(axis=1)) | self.none)
        difference = (a != b).astype(np.float64)
        self._keep(judge(LABEL, "label", difference, np.zeros(a.shape), judged, tolerance.SAME), a, b)

    def _keep(self, found: Compared, a: NDArray[Any], b: NDArray[Any]) -> None:
        self.verdicts.append(found.verdict)
        if self.differs is None:
            self.differs = shown(found, a, b, found.differing, self.yard)
        if self.breaks is None:
            self.breaks = shown(found, a, b, found.beyond, self.yard)
        self.alive &= ~found.beyond

    def _another_shape(self, stage: str) -> None:
        a, b = self.a[stage], self.b[stage]
        verdict = StageVerdict(
            stage=stage, numbers="float", samples=len(a), differing=len(a), beyond=len(a),
            largest=float(abs(a[0].size - b[0].size)), share=0.0, tolerance="the same number of values",
        )  # fmt: skip
        self.verdicts.append(verdict)
        made = Difference(
            stage=stage, sample=0, origin=self.yard.origins[0], place="number of values",
            first=float(a[0].size), second=float(b[0].size), allowed=0.0,
        )  # fmt: skip
        self.differs, self.breaks = self.differs or made, self.breaks or made
        self.alive[:] = False

    def _flips(self) -> tuple[int | None, tuple[tuple[str, int], ...]]:
        if LABEL not in self.a or LABEL not in self.b:
            return None, ()
        first = self.a[LABEL].reshape(-1)
        away: Mask = (first != self.b[LABEL].reshape(-1)) & self.yard.data(len(first))
        # A sample without an answer is of no class.
        counts = np.bincount(first[away & (first >= 0)], minlength=len(self.yard.labels))
        by_class = tuple((n, int(c)) for n, c in zip(self.yard.labels, counts, strict=False) if c)
        return int(away.sum()), by_class
