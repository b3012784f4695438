"""Faults in generated C that remembers: streams of packages, steps of a network, what learns, and other files."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.proof_faults.in_c import c_faults, changed
from benchmarks.proof_faults.judging import (
    Bench,
    Case,
    Compiled,
    SameError,
    Verdict,
    first_difference,
    recorded,
    settled,
    verdict_of,
)
from benchmarks.proof_faults.other_inputs import other_file, other_rows
from benchmarks.proof_faults.pipelines import prepared
from benchmarks.proof_faults.rules import TextFault
from edgewright.core.records.proof import ProofRecord
from edgewright.proof.tolerance import Form, Samples, Stages
from edgewright.workflows.proof import stream
from edgewright.workflows.proof.anomalies import adaptation_proof
from edgewright.workflows.proof.artifacts import Change, Files
from edgewright.workflows.proof.forms import Subject, steps
from edgewright.workflows.proof.provers import ProofRequest, prover_of
from edgewright.workflows.proof.stream import stream_proof
from edgewright.workflows.proof.subject import Chosen, choose_rows, read_subject

Prove = Callable[[Change | None], ProofRecord | None]
# Windows that a package learns from, as `prove` is called where time is short.
_LEARNED = 120
# Other inputs: times that it learns from as many, windows of a stream, and rows of a file.
_LESSONS, _STREAMED, _FILED = 24, 600, 20_000


class Remembering:
    """A proof of something that remembers, with the C it compiles and what it answers without a fault.

    Args:
        kind: form of the faults.
        pipeline: name.
        prove: proves it, with a change of the C.
        compiled: what is compiled.
        others: prove it with other inputs.
    """

    def __init__(
        self, kind: str, pipeline: str, prove: Prove, compiled: Compiled, others: Sequence[Prove] = ()
    ) -> None:  # fmt: skip
        self.kind, self.pipeline, self._prove, self._compiled, self._others = kind, pipeline, prove, compiled, others
        self.files: dict[str, str] = {}
        self.right: dict[str, Stages] = {}
        self._digests: set[str] = set()

    def measure(self) -> None:
        """Prove it without a fault."""

        def keep(files: Files) -> Files:
            self.files = dict(files)
            return files

        self._compiled.digests.clear()
        with recorded() as given:
            record = self._prove(keep)
        if record is None or not record.passed:
            raise RuntimeError(f"{self.pipeline} does not pass: {record and record.breaks}")
        assert self._compiled.digests  # noqa: S101 - else each fault would compile to the same bytes
        self.right, self._digests = dict(given), set(self._compiled.digests)
        self.other = self.others(None)

    def others(self, change: Change | None) -> dict[str, Stages]:
        """Return what is given for other inputs, with a change of the C or with changed Python."""
        answers: dict[str, Stages] = {}
        for number, prove in enumerate(self._others):
            with recorded() as given:
                prove(change)
            answers |= {f"{number} {name}": stages for name, stages in given.items()}
        return answers

    def cases(self, rng: random.Random, count: int) -> Iterator[Case]:
        """Yield faults of its C."""
        self.measure()
        for fault in c_faults(dict(filter(self._runs_here, self.files.items())), rng, count):
            yield Case.of(self.kind, self.pipeline, fault, partial(self._judged, fault))

    def _runs_here(self, file: tuple[str, str]) -> bool:
        """Return whether faults of a file are of this proof: not those of the model, or of its self-test on a board."""
        return self.kind != "stream" or file[0].endswith(("_stream.c", "_detect.c"))

    def _judged(self, fault: TextFault) -> Verdict:
        self._compiled.digests.clear()
        change = partial(_with_fault, fault)
        verdict = self.verdict(change)
        if set(self._compiled.digests) == self._digests:
            raise SameError("gcc gives the same bytes")
        return settled(verdict, self.other, lambda: self.others(change))

    def verdict(self, change: Change | None) -> Verdict:
        """Return what its proof says with a change of the C, or with changed Python."""
        with recorded() as given:
            record = self._prove(change)
        assert record is not None  # noqa: S101 - it is not None without a fault
        absent = {form.name for form in record.absent}
        # Of a form that gives nothing, the first stage is the first that differs.
        nothing = next((stage for name in self.right if name in absent for stage in self.right[name]), "")
        return verdict_of(record, first_difference(self.right, given) or nothing, absent)


def _with_fault(fault: TextFault, files: Files) -> Files:
    return changed(files, fault)


def remembering(name: str, folder: Path, compiled: Compiled) -> Remembering:
    """Return what remembers of a pipeline: its stream, what it learns, its steps, or the file."""
    path = prepared(name, folder)
    if name == "recurrent":
        return _steps(Bench(name, folder, compiled))
    if path.is_dir():
        subject = read_subject(path)
        if name == "adapted":
            chosen = choose_rows(subject, path, None, _LEARNED, 0)
            samples = other_rows(chosen.samples, subject.ranges, ())
            samples = samples[np.isfinite(samples).all(axis=1)]
            learning = [
                partial(_learned, subject, path, part)
                for part in (chosen, *(_chosen(samples[k::_LESSONS][:_LEARNED]) for k in range(_LESSONS)))
            ]
            return Remembering("learning", name, learning[0], compiled, learning[1:])
        rows = choose_rows(subject, path, None, 1000, 0)
        # What compiles to WebAssembly is planted in by another part.
        stream._Proof._modules = lambda self: iter(())  # type: ignore[method-assign]
        other = _chosen(other_rows(rows.samples, subject.ranges, ())[:_STREAMED])
        streaming = [partial(_streamed, subject, path, part) for part in (rows, other)]
        return Remembering("stream", name, streaming[0], compiled, streaming[1:])
    prover = prover_of(path)
    assert prover is not None  # noqa: S101 - `pipelines` writes such files
    file = other_file(path, folder)
    others = [lambda change: prover.prove(ProofRequest(path, str(file), _FILED, change=change))]
    return Remembering("file", name, lambda change: prover.prove(ProofRequest(path, change=change)), compiled, others)


def _chosen(samples: Samples) -> Chosen:
    return Chosen(samples, tuple(f"other {number}" for number in range(len(samples))), "other inputs")


def _learned(subject: Subject, path: Path, chosen: Chosen, change: Change | None) -> ProofRecord | None:
    return adaptation_proof(subject, str(path), chosen, change)


def _streamed(subject: Subject, path: Path, chosen: Chosen, change: Change | None) -> ProofRecord | None:
    return stream_proof(subject, str(path), chosen, change)


class _Steps(Remembering):
    """The network of a run step by step, beside the right forms of the run."""

    def __init__(self, bench: Bench) -> None:
        super().__init__("steps", bench.name, lambda _: None, bench.compiled)
        self._bench, self._files = bench, steps.steps_files

    def measure(self) -> None:
        """Run the right steps."""

        def keep(files: Mapping[str, str], *given: object) -> dict[str, str]:
            self.files = dict(files)
            return self._files(files, *given)  # type: ignore[arg-type]

        steps.steps_files = keep  # type: ignore[assignment]
        self._bench.forms = [form for form in self._bench.forms if not form.name.startswith("C99 step")]
        assert self._bench.right.passed  # noqa: S101 - asked there
        self._compiled.digests.clear()
        (form,) = self._made()
        self.right = {form.name: form.run(self._bench.chosen.samples, self._bench.boundary)}
        self._digests = set(self._compiled.digests)
        self.other = self.others(None)

    def others(self, change: Change | None) -> dict[str, Stages]:
        """Return what steps give for other windows."""
        self._plant(change)
        return self._bench.others(self._made())

    def _made(self) -> list[Form]:
        forms = steps.FORMS.make(replace(self._bench.subject, artefacts=()))
        return [form for form in forms if form.name == "C99 step by step by gcc"]

    def verdict(self, change: Change | None) -> Verdict:
        """Return what the proof says of changed steps."""
        self._plant(change)
        return self._bench.proven(self._made(), self.right)

    def _plant(self, change: Change | None) -> None:
        def plant(files: Mapping[str, str], *given: object) -> dict[str, str]:
            return self._files(change(files) if change else files, *given)  # type: ignore[arg-type]

        steps.steps_files = plant  # type: ignore[assignment]


def _steps(bench: Bench) -> Remembering:
    return _Steps(bench)
