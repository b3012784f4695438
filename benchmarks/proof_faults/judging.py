"""A planted fault in a process of its own, judged by the proof of `edgewright prove` beside the right forms."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.proof_faults.other_inputs import other_bytes, other_rows
from benchmarks.proof_faults.pipelines import prepared
from edgewright.core.integer.network import run_values
from edgewright.core.records.proof import ProofRecord
from edgewright.export.c99_host import host
from edgewright.graph.builder import without_mask
from edgewright.proof import stream as proof_stream
from edgewright.proof.stage import same_bits
from edgewright.proof.stream import StreamForm, StreamSubject
from edgewright.proof.tolerance import CLASSES, FLAGS, LABEL, PREDICTION, PROBABILITIES, RANGE, Form, Samples, Stages
from edgewright.workflows.proof import anomalies as adaptation
from edgewright.workflows.proof import artifacts, comparison, stream
from edgewright.workflows.proof.adversarial import with_constructed
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import Subject, forms_of
from edgewright.workflows.proof.provers import detector
from edgewright.workflows.proof.stages import boundary_value
from edgewright.workflows.proof.subject import Chosen, choose_rows, read_subject, with_artefacts
from edgewright.workflows.proof.workflow import ROWS

Result = Literal["found", "missed", "stopped", "refused", "same", "alike", "rounding", "late", "none"]
"""A fault is found at a stage; stops the form that has it; is refused by what reads the form; or is missed. It is the
same where the compiled bytes are, and alike where many thousands of other inputs show no other bit either. It is
rounding where it moves no value of any sample further than right forms are from each other: no proof can refuse it and
let these pass. A judgement is late where the machine twice gave it too little time. None is what does not
compile, or changes nothing that runs."""
NO_FAULT: tuple[Result, ...] = ("same", "alike", "rounding", "late", "none")
"""Results of what is not counted among the faults."""
# Seconds that a judgement may take by the clock, of its own processor time, and of that of compiled C.
_SECONDS, _PROCESSOR_S, _OF_C_S = 300, 120, 40
# Memory that a process with a fault may take.
_BYTES = 8 << 30
# Stages that say something of a sample without an answer.
_ENDS = (RANGE, CLASSES, PROBABILITIES, PREDICTION, LABEL, FLAGS)
# Where a form stops whose file its reader refuses: before its first stage.
FILE = "file"
# Right forms that are not beside the faulty one: they cost time, and others of their kind are.
_LEFT_OUT = ("OpenVINO", "WebAssembly", "default options", "TFLM", "extension", "by clang")


class SameError(Exception):
    """The fault compiles to the same bytes."""


class NoFaultError(Exception):
    """What was planted does not compile, or changes nothing that runs: it is no fault of a form."""


@dataclass(frozen=True)
class Verdict:
    """What became of a fault.

    Attributes:
        result: of the proof.
        stage: that the proof names; empty for none.
        right: first stage at which the form with the fault differs from the right one.
        blamed: form that the proof names; empty where it names none.
        why: proof that a fault is the same, or what stopped or refused it.
    """

    result: Result
    stage: str = ""
    right: str = ""
    blamed: str = ""
    why: str = ""


class Planted(Protocol):
    """What a rule changes in a form."""

    @property
    def rule(self) -> str:
        """By which it is planted."""

    @property
    def where(self) -> str:
        """File and line, or name of what is changed."""

    @property
    def change(self) -> str:
        """Before and after."""


@dataclass(frozen=True)
class Case:
    """A fault that can be judged.

    Attributes:
        form: kind of the form that has it.
        pipeline: of the form.
        rule: by which it is planted.
        where: file and line, or name of what is changed.
        change: before and after.
        judge: plants and proves it, in a process of its own.
    """

    form: str
    pipeline: str
    rule: str
    where: str
    change: str
    judge: Callable[[], Verdict]

    @classmethod
    def of(cls, form: str, pipeline: str, fault: Planted, judge: Callable[[], Verdict], part: str = "") -> Case:
        """Return the case of a fault in a form, or in a part of it such as its numbers."""
        return cls(form, pipeline, fault.rule, f"{part} {fault.where}".lstrip(), fault.change, judge)

    @property
    def name(self) -> str:
        """What tells it from all others."""
        return " | ".join((self.form, self.pipeline, self.rule, self.where, self.change))


def judge_apart(case: Case) -> Verdict:
    """Return the verdict of a fault in a process of its own; one that ran out of time is judged once more."""
    verdict = _judge_once(case)
    return _judge_once(case) if verdict.result == "late" else verdict


def _judge_once(case: Case) -> Verdict:
    into, out = os.pipe()
    with warnings.catch_warnings():
        # Threads of libraries wait for work that this process gives them; the new one gives none to these.
        warnings.simplefilter("ignore")
        process = os.fork()
    if not process:
        os.close(into)
        _child(case, out)
    os.close(out)
    text, end = b"", time.monotonic() + _SECONDS
    with os.fdopen(into, "rb", buffering=0) as pipe:
        while (left := end - time.monotonic()) > 0 and select.select([pipe], [], [], left)[0]:
            part = pipe.read(1 << 16)
            if not part:
                break
            text += part
    late = time.monotonic() >= end
    with suppress(ProcessLookupError):
        # What it began, such as an emulator, ends with it.
        os.killpg(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if not text:
        number = os.waitstatus_to_exitcode(status)
        if late:
            return Verdict("late", why=f"no verdict within {_SECONDS} s")
        if number == -signal.SIGXCPU:
            return Verdict("stopped", why=f"did not end within {_PROCESSOR_S} s of processor time")
        return Verdict("stopped", why=f"ended by signal {-number}" if number < 0 else f"ended with status {number}")
    answer = json.loads(text)
    if "error" in answer:
        raise RuntimeError(f"{case.name}\n{answer['error']}")
    return Verdict(**answer)


def _child(case: Case, out: int) -> None:
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_S, _PROCESSOR_S + 5))
    # Not of addresses: WebAssembly reserves many and uses few.
    resource.setrlimit(resource.RLIMIT_DATA, (_BYTES, resource.RLIM_INFINITY))
    host.LIMIT_S = _OF_C_S
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    answer: dict[str, Any]
    try:
        answer = vars(case.judge())
    except SameError as error:
        answer = vars(Verdict("same", why=str(error)))
    except NoFaultError as error:
        answer = vars(Verdict("none", why=str(error)))
    except BaseException:  # noqa: BLE001 - told to the parent
        answer = {"error": traceback.format_exc()}
    try:
        os.write(out, json.dumps(answer).encode())
    finally:
        os._exit(0)


class Bench:
    """A run with its right forms, which answer once.

    Args:
        name: of the pipeline.
        folder: of all pipelines.
        compiled: what is compiled.
    """

    def __init__(self, name: str, folder: Path, compiled: Compiled) -> None:
        self.name, self.path, self.compiled = name, prepared(name, folder), compiled
        self.subject: Subject = with_artefacts(read_subject(self.path), self.path)
        rows = choose_rows(self.subject, self.path, None, ROWS, 0)
        self.rows: Chosen = rows
        self.chosen = with_constructed(self.subject, rows)
        self.boundary = boundary_value(self.subject.reference, self.chosen.samples)
        self.forms = [replace(form, run=once(form.run)) for form in self.own_forms(self.subject)]

    @staticmethod
    def own_forms(subject: Subject) -> list[Form]:
        """Return the forms of a subject that stand beside a faulty one."""
        return [form for form in forms_of(subject) if not any(word in form.name for word in _LEFT_OUT)]

    @cached_property
    def right(self) -> ProofRecord:
        """The proof of the right forms, which pass; it fills what they answer."""
        self.tolerance = comparison.measure_tolerance_reference(self.subject, self.chosen)
        record = prove_subject(self.subject, self.name, self.chosen, self.forms)
        if not record.passed:
            raise RuntimeError(f"the right forms of {self.name} do not pass: {record.breaks} {record.failed}")
        return record

    @cached_property
    def other(self) -> tuple[Samples, Samples]:
        """Other inputs than those of the proof, and what they are at the boundary."""
        constants = (array for array in self.subject.reference.constants.values() if array.dtype == np.float32)
        values = np.concatenate([np.zeros(1, np.float32), *(array.ravel()[:500] for array in constants)])
        samples = other_rows(self.rows.samples, self.subject.ranges, values[np.isfinite(values)].tolist())
        with np.errstate(all="ignore"):
            return samples, boundary_value(self.subject.reference, samples)

    def others(self, forms: Sequence[Form], count: int = 0) -> dict[str, Stages]:
        """Return what forms give for other inputs, for the first `count` or all of them, by their names."""
        samples, boundary = (part[: count or None] for part in self.other)
        with np.errstate(all="ignore"):
            return {form.name: self.answered(form.run(samples, boundary), samples) for form in forms}

    def network_of_others(self) -> Stages:
        """Return every layer of the integer network for other bytes; nothing without one."""
        network = self.subject.network
        if network is None:
            return {}
        shape = network.values[network.input].shape
        given = other_bytes(int(np.prod(shape))).reshape(-1, *shape)
        values = run_values(network, given)
        return {f"value {number} of other bytes": array for number, array in values.items()}

    def form(self, name: str) -> Form:
        """Return a right form by its name."""
        return next(form for form in self.forms if form.name == name)

    def proven(self, faulty: Sequence[Form], right: Mapping[str, Stages], subject: Subject | None = None) -> Verdict:
        """Return the verdict of faulty forms beside the right ones.

        Args:
            faulty: forms; those of the same name are left out.
            right: stages of the same forms without a fault, by name, for the samples that the form takes.
            subject: with artefacts where it has other ones.
        """
        given: dict[str, Stages] = {}
        right = {name: self.answered(stages, self.chosen.samples) for name, stages in right.items()}
        names = {form.name for form in faulty}
        forms = [form for form in self.forms if form.name not in names]
        forms += [replace(form, run=_kept(form, given)) for form in faulty]
        comparison.measure_tolerance_reference = lambda *_: self.tolerance
        record = prove_subject(subject or self.subject, self.name, self.chosen, forms)
        labels = self.subject.reference.labels
        renamed = CLASSES if any(form.labels and form.labels != labels for form in faulty) else ""
        given = {name: self.answered(stages, self.chosen.samples) for name, stages in given.items()}
        verdict = verdict_of(record, first_difference(right, given) or renamed, names)
        if verdict.result == "missed" and verdict.right and is_rounding(record, self.right, names):
            return replace(verdict, result="rounding", why="no further than right forms from each other")
        return verdict

    def answered(self, stages: Stages, samples: Samples) -> Stages:
        """Return stages whose inner values of samples without an answer are 0: no one asks for them."""
        mask = without_mask(self.subject.reference)[1]
        if mask is None:
            return stages
        none = mask.unanswered(samples)
        return {
            stage: values
            if stage in _ENDS or len(values) > len(none)
            else np.where(none[: len(values)].reshape(-1, *(1,) * (values.ndim - 1)), values.dtype.type(0), values)
            for stage, values in stages.items()
        }


def _kept(form: Form, given: dict[str, Stages]) -> Callable[[Samples, Samples], Stages]:
    def run(samples: Samples, boundary: Samples) -> Stages:
        given[form.name] = form.run(samples, boundary)
        return given[form.name]

    return run


def once(run: Callable[[Samples, Samples], Stages]) -> Callable[[Samples, Samples], Stages]:
    """Return the same, which answers so many samples once: right forms give the same in every proof."""
    kept: dict[int, Stages] = {}

    def answer(samples: Samples, boundary: Samples) -> Stages:
        if len(samples) not in kept:
            kept[len(samples)] = run(samples, boundary)
        return dict(kept[len(samples)])

    return answer


def first_difference(right: Mapping[str, Stages], given: Mapping[str, Stages]) -> str:
    """Return the first stage at which a form gives another bit than without a fault; empty where none does."""
    longest = sorted(right.values(), key=len, reverse=True)
    order = list(dict.fromkeys(stage for stages in longest for stage in stages))
    others: set[str] = set()
    for name, stages in given.items():
        expected = right.get(name, {})
        others |= {s for s, values in stages.items() if s not in expected or not _alike(expected[s], values)}
    return min(others, key=lambda stage: order.index(stage) if stage in order else len(order), default="")


def settled(
    verdict: Verdict, right: Mapping[str, Stages], answers: Callable[[], Mapping[str, Stages]]
) -> Verdict:  # fmt: skip
    """Return the verdict of a fault that no sample showed: what other inputs show.

    Args:
        verdict: of the proof.
        right: what the forms give for other inputs without the fault.
        answers: gives the same with the fault.
    """
    if verdict.result != "missed" or verdict.right or not right:
        return verdict
    stage = first_difference(right, answers())
    if stage:
        return replace(verdict, right=stage, why="other inputs show it, and no sample")
    count = max((len(values) for stages in right.values() for values in stages.values()), default=0)
    return Verdict("alike", why=f"the same bits for {count:,} other inputs")


def _alike(first: NDArray[Any], second: NDArray[Any]) -> bool:
    count = min(len(first), len(second))
    return first.shape[1:] == second.shape[1:] and same_bits(np.asarray(first[:count]), np.asarray(second[:count]))


def is_rounding(record: ProofRecord, right: ProofRecord, faulty: set[str]) -> bool:
    """Return whether, with a fault, forms are at each stage no further from each other than right forms are.

    Args:
        record: of the proof with the fault.
        right: of the proof without one.
        faulty: names of the forms with the fault.
    """
    usual: dict[tuple[str, str], tuple[float, int]] = {}
    for stage in (stage for pair in right.pairs for stage in pair.stages):
        share, differing = usual.get((stage.stage, stage.numbers), (0.0, 0))
        usual[stage.stage, stage.numbers] = max(share, stage.share), max(differing, stage.differing)
    own = [stage for pair in record.pairs if faulty & {pair.first, pair.second} for stage in pair.stages]
    limits = [(stage, usual.get((stage.stage, stage.numbers), (0.0, 0))) for stage in own]
    return all(s.share <= share and (s.numbers == "float" or s.differing <= count) for s, (share, count) in limits)


def verdict_of(record: ProofRecord, right: str, faulty: set[str]) -> Verdict:
    """Return what a proof says of a fault whose first difference is at a stage."""
    if record.breaks is not None:
        return Verdict("found", record.breaks.stage, right, record.odd)
    refused = [form for form in record.absent if form.name in faulty]
    if not record.passed:
        named = [form for form in refused if form.stage] or refused
        why = named[0].reason if named else ", ".join(record.failed)
        return Verdict("refused", named[0].stage if named else "", right, why=why)
    if refused:
        raise NoFaultError(refused[0].reason)
    return Verdict("missed", right=right, why="" if right else "no sample has another answer")


@contextmanager
def recorded() -> Iterator[dict[str, Stages]]:
    """Yield what forms of streams answer, by their names, while proofs of streams run."""
    given: dict[str, Stages] = {}
    prove = proof_stream.prove_stream

    def kept(form: StreamForm) -> StreamForm:
        def run() -> tuple[Stages, Stages]:
            expected, actual = form.run()
            given[form.name], given[f"{form.name}, expected"] = actual, expected
            return expected, actual

        return replace(form, run=run)

    def watching(subject: StreamSubject, forms: Sequence[StreamForm]) -> ProofRecord:
        return prove(subject, [kept(form) for form in forms])

    modules: tuple[Any, ...] = (artifacts, detector, stream, adaptation)
    for module in modules:
        module.prove_stream = watching
    try:
        yield given
    finally:
        for module in modules:
            module.prove_stream = prove


class Compiled:
    """C that is compiled once and kept in a folder, with the digests of what was compiled in this process.

    Args:
        folder: of the shared objects.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._compile = folder, host.compile_c99
        self.digests: list[str] = []
        compilers = [compiler for compiler in host.compilers() if compiler.name == "gcc"]
        host.compilers = lambda: tuple(compilers)
        host.compile_c99 = self

    def __call__(self, files: Mapping[str, str], folder: Path, **options: Any) -> Path:  # noqa: ANN401 - of `compile_c99`
        """Compile as `compile_c99` does, or give what is kept."""
        key = hashlib.sha256(repr((sorted(files.items()), sorted(options.items()))).encode()).hexdigest()
        kept = self._folder / f"{key}.so"
        if not kept.exists():
            path = self._compile(files, folder, **options)
            part = self._folder / f"{key}.{os.getpid()}"
            shutil.copy(path, part)
            part.rename(kept)
        self.digests.append(hashlib.sha256(kept.read_bytes()).hexdigest())
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(kept, folder / "kept.so"))


def say(text: str) -> None:
    """Print a line on the terminal at once."""
    print(text, file=sys.stderr, flush=True)
