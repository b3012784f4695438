"""Comparison of two forms, stage by stage, up to the first stage that differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.proof import Difference, PairRecord, StageVerdict, Verdict
from edgewright.proof import tolerance
from edgewright.proof.stage import (
    Mask,
    StageComparison,
    aligned,
    distance,
    equal,
    flags_of,
    judge,
    same_bits,
    shown,
    stage_order,
)
from edgewright.proof.tolerance import (
    BYTES,
    CLASSES,
    FLAGS,
    LABEL,
    OBJECTS,
    OUTPUT,
    PREDICTION,
    PROBABILITIES,
    RANDOM_BYTES,
    RANGE,
    Form,
    Stages,
    ToleranceReference,
)

# Maximum number of samples that moved across a quantisation step and are shown with their values.
_SHOWN = 3
# Stages with facts instead of numbers, and their tolerance in words.
_SAME = {RANGE: "the same declared ranges", CLASSES: "the same names in the same order"}
_FLAGS = "the same flags of the same answers"
# Tolerances of so many values are kept for a form's next pairs.
_KEPT = 4_000_000
Limits = dict[tuple[str, tuple[int, ...]], tuple[NDArray[np.float64], str]]
"""Stage and shape of its values -> tolerances of a form's values, and the tolerance in words."""


def compare(
    forms: tuple[Form, Form],
    values: tuple[Stages, Stages],
    tolerance_reference: ToleranceReference,
    reference: Stages | None = None,
    limits: Limits | None = None,
) -> PairRecord:
    """Compare two forms.

    Args:
        forms: both forms.
        values: stages of each form for the same samples.
        tolerance_reference: reference data for tolerances.
        reference: layers of the reference int8 network, for forms that do not show all layers.
        limits: of the first form, from its pairs before; this one adds to them.
    """
    return _Pair(forms, values, tolerance_reference, reference or {}, {} if limits is None else limits).record()


class _Pair:
    """Compares two forms stage by stage; a sample that exceeds a tolerance is not compared at later stages."""

    def __init__(
        self,
        forms: tuple[Form, Form],
        values: tuple[Stages, Stages],
        tolerance_reference: ToleranceReference,
        reference: Stages,
        limits: Limits,
    ) -> None:
        count = min(len(next(iter(stages.values()))) for stages in values)
        self.a, self.b, self.reference = (
            {stage: v if len(v) == count else v[:count] for stage, v in stages.items()}
            for stages in (*values, reference)
        )
        self.forms, self.tolerance_reference, self.limits = forms, tolerance_reference, limits
        self.mixed = forms[0].numbers != forms[1].numbers
        self.ours = forms[0].ours and forms[1].ours
        # Masks of samples: within all tolerances so far; equal bytes at all int8 stages; last stage bit-exact.
        self.alive, self.same = np.ones(count, np.bool_), np.ones(count, np.bool_)
        self.exact = np.ones(count, np.bool_)
        self.moved = np.zeros(count, np.bool_)
        # Samples without an answer: only the absence of the answer is compared.
        self.none = (
            np.zeros(count, np.bool_)
            if tolerance_reference.unanswered is None
            else tolerance_reference.unanswered[:count]
        )
        self.last: tuple[NDArray[Any], NDArray[Any]] | None = None
        self.moves: tuple[Difference, ...] = ()
        self.verdicts: list[StageVerdict] = []
        self.differs: Difference | None = None
        self.breaks: Difference | None = None
        self.inside_off, self.integers = 0, False
        # Whether an earlier layer is hidden and its values are unknown.
        self.blind = False

    def record(self) -> PairRecord:
        shared = [stage for stage in self.a if stage in self.b]
        if self.mixed:
            shared = [
                stage for stage in shared if stage in (RANGE, CLASSES) or stage in self.tolerance_reference.before
            ]
        # Where one form hides its bytes, samples that moved across a quantisation step cannot be identified.
        self.unseen = not self.mixed and self.forms[0].numbers == "int8" and BYTES not in shared
        extreme = self.tolerance_reference.extreme
        for stage in self._order():
            if extreme is not None and stage not in (*_SAME, self.tolerance_reference.filled):
                self.alive &= ~extreme[: len(self.alive)]
            if self.forms[0].numbers == "int8" and not self.ours and tolerance.has_state(stage):
                # A constructed row may bring a state where one step decides what becomes of it.
                self.alive &= self.tolerance_reference.data(len(self.alive))
            if stage not in shared:
                self._hidden(stage)
                continue
            pair = aligned(self.a[stage], self.b[stage])
            if pair is None:
                self._another_shape(stage)
            elif stage == LABEL:
                self._label(*pair)
            elif stage == OBJECTS:
                self._objects(*pair)
            elif stage == FLAGS:
                self._flags(*pair)
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
        """Return the stages of both forms, in the order of the form that shows the most."""
        order = stage_order((self.a, self.b, self.reference))
        return [stage for stage in order if stage in self.a or stage in self.b]

    def _hidden(self, stage: str) -> None:
        """Handle an int8 layer that only one form shows.

        If the other form uses the reference rounding, the layer is compared with the reference. Otherwise its values
        are unknown, and the pair is compared by its final stages only.
        """
        shown, hides = (self.a, self.forms[1]) if stage in self.a else (self.b, self.forms[0])
        if self.mixed or self.ours or shown[stage].dtype != np.int8 or stage in (BYTES, OUTPUT, RANDOM_BYTES):
            return
        known = self.reference.get(stage)
        pair = None if known is None or not hides.ours else aligned(shown[stage], known)
        if pair is None:
            self.blind = True
        elif not same_bits(*pair):
            self.same &= ~np.any((pair[0] != pair[1]).reshape(len(self.same), -1), axis=1)

    def _hidden_are_ours(self) -> bool:
        """Return whether every form of the pair that hides its layers uses the reference rounding."""
        sides = zip(self.forms, (self.a, self.b), strict=True)
        return all(form.ours for form, stages in sides if not any(s.startswith("layer ") for s in stages))

    def _reals(self, stage: str, a: NDArray[Any], b: NDArray[Any]) -> None:
        _, words = self._allowed(stage, a[:0])
        self.last = a, b
        difference = distance(a, b) if a is not b else np.zeros(0)
        if not difference.any():
            self.exact[:] = True
            self._keep(equal(stage, "float", a, words), a, b)
            return
        limit, words = self._allowed(stage, a)
        ends = stage in (PROBABILITIES, PREDICTION)
        compared = self.alive if ends else self.alive & ~self.none
        if stage in (PROBABILITIES, PREDICTION) and self.unseen:
            limit, words = tolerance.int8_form_tolerance(stage, a, self.tolerance_reference)
            if not self.ours and self._hidden_are_ours():
                compared, words = np.zeros_like(self.alive), tolerance.ELSEWHERE
        elif stage in (PROBABILITIES, PREDICTION) and self.integers:
            compared = self.alive & (self.same | self.none)
            if not self.ours:
                # The inner stages of such an engine come from a copy of the model with additional outputs. If it fuses
                # operators differently in this copy, equal inner bytes do not guarantee equal results.
                limit, words = tolerance.int8_form_tolerance(stage, a, self.tolerance_reference)
            if self.blind:
                compared = self.alive
        if ends and self.ours and OUTPUT in self.a and OUTPUT in self.b:
            # One step, such as a softmax, is between equal raw outputs and an answer.
            step = tolerance.of_equal_outputs(stage, a, self.tolerance_reference)
            limit = np.where(self.exact.reshape(-1, *(1,) * (a.ndim - 1)), np.minimum(limit, step), limit)
        if ends and self.tolerance_reference.splits is not None:
            exact = self.exact & self._shows_splits(self.tolerance_reference.splits)
            # Equal values before a model of comparisons have one answer, whatever rounding could move.
            strict, _ = tolerance.allowed(stage, a, replace(self.tolerance_reference, digits={}))
            limit = np.where(exact.reshape(-1, *(1,) * (a.ndim - 1)), np.minimum(limit, strict), limit)
            # A constructed row may lie so near a split that a last digit decides.
            self.alive &= exact | self.tolerance_reference.data(len(a))
            compared = compared & self.alive
        self.exact[:] = ~difference.reshape(len(a), -1).any(axis=1)
        self._keep(judge(stage, "float", difference, limit, compared, words), a, b)

    def _allowed(self, stage: str, a: NDArray[Any]) -> tuple[NDArray[np.float64], str]:
        """Return the tolerances of the first form's values, which are those of its other pairs."""
        known = self.limits.get((stage, a.shape))
        if known is None:
            known = tolerance.allowed(stage, a, self.tolerance_reference)
            if a.size + sum(limits.size for limits, _ in self.limits.values()) <= _KEPT:
                self.limits[stage, a.shape] = known
        return known

    def _shows_splits(self, stage: str) -> bool:
        """Return whether both forms show the stage whose values a model of comparisons decides by."""
        return not stage or (stage in self.a and stage in self.b)

    def _bytes(self, stage: str, a: NDArray[Any], b: NDArray[Any]) -> None:
        self.integers = True
        words = tolerance.EXACT if self.ours else tolerance.ONE_STEP
        steps = 0.0 if self.ours else 1.0
        if not self.ours and tolerance.has_state(stage):
            words, steps = tolerance.OF_STATE, tolerance.STATE_STEPS
        if same_bits(a, b):
            self.exact[:] = True
            self._keep(equal(stage, "int8", a, words), a, b)
            return
        difference = distance(a, b)
        limit = np.full(a.shape, steps)
        if stage == BYTES:
            # Nearly equal floats can round to different sides of a quantisation step.
            limit[~self.exact] = np.maximum(self._reals_apart(a)[~self.exact], 1.0)
            words += "; one step where the float inputs are not bit-exact"
        elif self.blind:
            limit[:] = np.inf
            words = "reported only: an earlier layer is hidden, so the probabilities are compared instead"
        comparison = judge(stage, "int8", difference, limit, self.alive & self.same & ~self.none, words)
        if stage == BYTES:
            self.moved = comparison.differing & ~comparison.beyond & (~self.exact | (not self.ours))
            self._show_moves(comparison, a, b)
        else:
            self.inside_off += comparison.verdict.off
        self._keep(comparison, a, b)
        self.same &= ~comparison.differing
        self.exact = ~np.any((difference > 0).reshape(len(a), -1), axis=1)

    def _reals_apart(self, a: NDArray[Any]) -> NDArray[np.float64]:
        """Return the distance in steps between the floats before the boundary for synthetic samples; 0 elsewhere."""
        differences = np.zeros(a.shape)
        odd = ~self.tolerance_reference.data(len(a))
        if self.last is None or not self.tolerance_reference.step or self.last[0].size != a.size or not odd.any():
            return differences
        steps = np.ceil(distance(*(values[odd] for values in self.last)) / self.tolerance_reference.step)
        differences[odd] = np.nan_to_num(steps, posinf=0.0).reshape(differences[odd].shape)
        return differences

    def _show_moves(self, comparison: StageComparison, a: NDArray[Any], b: NDArray[Any]) -> None:
        shares = []
        for row in np.flatnonzero(self.moved)[:_SHOWN]:
            sample = np.zeros(len(a), np.bool_)
            sample[row] = True
            difference = shown(comparison, a, b, sample, self.tolerance_reference)
            if difference is not None:
                shares.append(msgspec.structs.replace(difference, reals=self._rounded(a, b, int(row))))
        self.moves = tuple(shares)

    def _rounded(self, a: NDArray[Any], b: NDArray[Any], row: int) -> tuple[float, ...]:
        """Return the two floats before rounding at the byte of a sample that differs most."""
        if self.last is None or self.last[0][row].size != a[row].size:
            return ()
        index = int(np.argmax(distance(a[row], b[row])))
        return tuple(float(values[row].reshape(-1)[index]) for values in self.last)

    def _label(self, a: NDArray[Any], b: NDArray[Any]) -> None:
        if np.array_equal(a, b):
            self._keep(equal(LABEL, "label", a, tolerance.SAME), a, b)
            return
        compared = self.alive & (self.same & (self.ours or not self.integers) & (not self.unseen) | self.none)
        if self.forms[0].numbers == "float" and PROBABILITIES in self.a:
            # If two classes are equally likely within the tolerance, both answers are correct.
            top = np.sort(self.a[PROBABILITIES].reshape(len(a), -1), axis=1)[:, -2:]
            limit, _ = tolerance.allowed(PROBABILITIES, self.a[PROBABILITIES], self.tolerance_reference)
            compared = compared & ((top[:, -1] - top[:, 0] > 2 * limit.reshape(len(a), -1).max(axis=1)) | self.none)
        difference = (a != b).astype(np.float64)
        self._keep(judge(LABEL, "label", difference, np.zeros(a.shape), compared, tolerance.SAME), a, b)

    def _objects(self, a: NDArray[Any], b: NDArray[Any]) -> None:
        """Compare the objects of samples whose maps are bit-exact: others differ by what was judged before."""
        maps = (side[PREDICTION].reshape(len(a), -1) for side in (self.a, self.b))
        alike = np.array([same_bits(mine, other) for mine, other in zip(*maps, strict=True)], np.bool_)
        words = "the same objects from the same map"
        self._keep(judge(OBJECTS, "label", distance(a, b), np.zeros(a.shape), self.alive & alike, words), a, b)

    def _flags(self, a: NDArray[Any], b: NDArray[Any]) -> None:
        """Compare the flags of samples whose probabilities ask for the same: those near the threshold may not."""
        threshold = self.tolerance_reference.confidence
        wanted = [flags_of(side[PROBABILITIES], threshold) for side in (self.a, self.b)]
        compared = self.alive & (wanted[0] == wanted[1])
        self._keep(judge(FLAGS, "label", distance(a, b), np.zeros(a.shape), compared, _FLAGS), a, b)

    def _keep(self, comparison: StageComparison, a: NDArray[Any], b: NDArray[Any]) -> None:
        self.verdicts.append(comparison.verdict)
        if self.differs is None:
            self.differs = shown(comparison, a, b, comparison.differing, self.tolerance_reference)
        if self.breaks is None:
            self.breaks = shown(comparison, a, b, comparison.beyond, self.tolerance_reference)
        self.alive &= ~comparison.beyond

    def _another_shape(self, stage: str) -> None:
        a, b = self.a[stage], self.b[stage]
        verdict = StageVerdict(
            stage=stage, numbers="float", samples=len(a), differing=len(a), beyond=len(a),
            largest=float(abs(a[0].size - b[0].size)), share=0.0, tolerance="the same number of values",
        )  # fmt: skip
        self.verdicts.append(verdict)
        difference = Difference(
            stage=stage, sample=0, origin=self.tolerance_reference.origins[0], location="number of values",
            first=float(a[0].size), second=float(b[0].size), allowed=0.0,
        )  # fmt: skip
        self.differs, self.breaks = self.differs or difference, self.breaks or difference
        self.alive[:] = False

    def _flips(self) -> tuple[int | None, tuple[tuple[str, int], ...]]:
        if LABEL not in self.a or LABEL not in self.b:
            return None, ()
        first = self.a[LABEL].reshape(-1)
        away: Mask = (first != self.b[LABEL].reshape(-1)) & self.tolerance_reference.data(len(first))
        # A sample without an answer has no class.
        counts = np.bincount(first[away & (first >= 0)], minlength=len(self.tolerance_reference.labels))
        by_class = tuple((n, int(c)) for n, c in zip(self.tolerance_reference.labels, counts, strict=False) if c)
        return int(away.sum()), by_class
