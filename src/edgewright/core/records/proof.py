"""The record of a proof: the same rows through every form, pair by pair, stage by stage."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.core.formatting import html_table

PROOF_VERSION = 1
Numbers = Literal["float", "int8"]
Verdict = Literal["bit-exact", "within tolerance", "quantised", "broken", "nothing shared"]


class FormRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A form that ran.

    Attributes:
        name: such as 'float ONNX in ONNX Runtime'.
        numbers: what its network computes in.
        rounding: 'ours' where an int8 form must be bit-exact, 'own' where an engine rounds in its own way, empty for
            a float form.
        stages: it shows, in order.
        begins: 'raw rows', or 'the boundary' where it is a network that is fed what arrives there.
        samples: it ran.
        seconds: it took for them.
        out_of_range: samples it flagged as outside the declared input ranges; None where it does not say.
        note: what a reader should know of it.
        hidden: stages that other forms of its numbers show and it does not: they are judged by what follows them.
        targets: of `export` whose files it runs.
    """

    name: str
    numbers: Numbers
    rounding: Literal["ours", "own", ""] = ""
    stages: tuple[str, ...] = ()
    begins: Literal["raw rows", "the boundary"] = "raw rows"
    samples: int = 0
    seconds: float = 0.0
    out_of_range: int | None = None
    note: str = ""
    hidden: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


class AbsentForm(msgspec.Struct, frozen=True, kw_only=True):
    """A form that did not run, and why.

    Attributes:
        name: name of the form.
        reason: why it did not.
        needed: whether nothing is proven without it: it was asked for by name, or its code stopped while it answered.
        targets: of `export` whose files it would run.
        stage: the first one that it did not give, where its code stopped and that is known.
        stopped: whether its code ran and stopped; false if a tool or a file is missing.
    """

    name: str
    reason: str
    needed: bool = False
    targets: tuple[str, ...] = ()
    stage: str = ""
    stopped: bool = False


class FileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read from disk.

    Attributes:
        name: as it was found or given; 'NAME.edge: model.onnx' inside a package.
        size_bytes, sha256: of what was read.
        forms: that ran with its bytes.
        same: the file with the same bytes that these forms ran with; empty where they ran with this one's.
        not_proven: why no form reads it; empty for a file that is proven.
    """

    name: str
    size_bytes: int
    sha256: str
    forms: tuple[str, ...] = ()
    same: str = ""
    not_proven: str = ""


class UncomparedStage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of a form that no pair judged on any sample, and why."""

    form: str
    stage: str
    reason: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One value that differs.

    Attributes:
        stage: at which it stands.
        sample: number of the row or window, from 0.
        origin: where that sample came from, such as 'test sample 17'.
        location: which value of the stage, by name where it has one.
        first, second: the value in either form; of int8 stages the integers.
        allowed: how far apart they may be, in the unit of the values.
        reals: of bytes at the boundary the two real numbers that were rounded.
    """

    stage: str
    sample: int
    origin: str
    location: str = msgspec.field(name="place")
    first: float
    second: float
    allowed: float
    reals: tuple[float, ...] = ()


class StageVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of a pair.

    Attributes:
        stage: name.
        numbers: how it is compared: 'float' by tolerance, 'int8' by steps, 'label' by equality.
        samples: compared; those that part earlier, or got other bytes, are no longer this stage's matter.
        differing: samples with any difference.
        beyond: samples beyond what is allowed.
        largest: difference, in the unit of the values; steps for int8.
        share: largest difference as a share of what is allowed there; 0 when bit-exact.
        tolerance: in words, with its reason.
        values: compared, and `off` of them that differ.
        off: how many values differ.
    """

    stage: str
    numbers: Literal["float", "int8", "label"]
    samples: int
    differing: int
    beyond: int
    largest: float
    share: float
    tolerance: str
    values: int = 0
    off: int = 0


class PairRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Two forms beside one another.

    Attributes:
        first, second: names of the forms.
        verdict: 'quantised' for a float form beside an int8 one, where only preprocessing and labels are compared.
        exact_from_boundary: whether every value after the boundary was equal, bit by bit, on samples whose bytes at
            the boundary were equal; None where the pair shares no integers.
        stages: those that both show.
        moved: samples that a last digit before the boundary, or a tie there, moved across a quantisation step.
        moves: the first few of them.
        flips: samples whose label differs, and by class of the first form.
        flips_by_class: (class, samples).
        differs: the first stage that differs at all, with the sample and the values; None when bit-exact.
        breaks: the first stage beyond its tolerance; None when there is none.
    """

    first: str
    second: str
    verdict: Verdict
    exact_from_boundary: bool | None
    stages: tuple[StageVerdict, ...]
    moved: int = 0
    moves: tuple[Difference, ...] = ()
    flips: int | None = None
    flips_by_class: tuple[tuple[str, int], ...] = ()
    differs: Difference | None = None
    breaks: Difference | None = None


class ProofRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A proof.

    Attributes:
        version: of this record.
        name: of what was proven.
        subject: the path that was given.
        source: of the rows, in words.
        samples: rows or windows of the data that went through every form.
        constructed: further ones, made by construction: limits, saturation, ties, zeros, single channels.
        shape: of one of them.
        labels: names of the classes; empty for amounts.
        files: that were read from disk, proven or not.
        failed: files that hold a model and of which no form could run, and forms that are needed and did not run:
            nothing is proven of them, and so of the whole.
        forms, absent, pairs: what ran, what could not, and every pair.
        out_of_range: samples outside the declared input ranges, and by column.
        ranges: columns with a declared range.
        passed: something was compared, every model that was read ran, and no tolerance is broken.
        breaks: the earliest stage at which any pair breaks a tolerance, with the sample and the values; None when
            none does.
        broken: the two forms of that pair.
        odd: the form that stands alone in the pairs that break a tolerance; empty where none does.
        uncompared: stages that a form shows and no pair judged.
        notes: further sentences.
        seconds: of the whole proof.
        parts: proofs of what belongs to it and remembers what came before, such as the stream of a package.
    """

    version: int = PROOF_VERSION
    name: str
    subject: str
    source: str
    samples: int
    shape: tuple[int, ...]
    labels: tuple[str, ...]
    forms: tuple[FormRecord, ...]
    absent: tuple[AbsentForm, ...]
    pairs: tuple[PairRecord, ...]
    constructed: int = 0
    out_of_range: int = 0
    out_of_range_by_column: tuple[tuple[str, int], ...] = ()
    ranges: int = 0
    passed: bool
    breaks: Difference | None = None
    broken: tuple[str, ...] = ()
    odd: str = ""
    uncompared: tuple[UncomparedStage, ...] = ()
    files: tuple[FileRecord, ...] = ()
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    parts: tuple[ProofRecord, ...] = ()

    @property
    def disagrees(self) -> bool:
        """Whether two forms differ or a form stopped while it ran; a form that could not run here does not count."""
        own = self.breaks is not None or any(form.stopped for form in self.absent)
        return own or any(part.disagrees for part in self.parts)

    def left_out(self, maximum: int = 3) -> str:
        """Return the stages that no pair compared, the first of them by name; empty where all were."""
        if not self.uncompared:
            return ""
        count = len(self.uncompared)
        named = "; ".join(f"{s.stage} of {s.form} ({s.reason})" for s in self.uncompared[:maximum])
        more = f"; and {count - maximum} more" if count > maximum else ""
        return f"{count} stage{'s' * (count > 1)} not compared: {named}{more}"

    def _repr_html_(self) -> str:
        passed = "passed" if self.passed else "failed"
        left = "".join(f"; {part.left_out()}" for part in (self, *self.parts) if part.uncompared)
        samples = f"{self.samples:,} samples and {self.constructed:,} constructed ones"
        rows = [
            (pair.first, pair.second, pair.verdict)
            for pair in self.pairs
            if pair.first == self.pairs[0].first or pair.verdict == "broken"
        ]
        caption = f"Proof of {self.name}: {passed}; {samples}; {len(rows)} of {len(self.pairs)} pairs of forms{left}"
        return html_table(caption, ("form", "compared with", "verdict"), rows)
