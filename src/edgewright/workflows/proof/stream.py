"""The stream of a package: the same raw rows through the agent of Python and through compiled `NAME_push`.

What is decided is decided over the C's own answers and scores, so windows, means, events and anomalies are compared bit
by bit; the answers and scores themselves are compared with Python's own by tolerance.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ProofError, StoppedError
from edgewright.core.package import Package
from edgewright.core.predictor import Answers, Predictor
from edgewright.core.records.data import Floats
from edgewright.core.records.package import Manifest
from edgewright.core.records.proof import AbsentForm, Numbers, ProofRecord
from edgewright.device.agent.feed import SampleBatch
from edgewright.device.agent.packages import Answered
from edgewright.device.agent.stream_decisions import StreamAnswer
from edgewright.monitor.detector_stream import parse_detector
from edgewright.proof import tolerance
from edgewright.proof.stage import distance
from edgewright.proof.stream import Rule, StreamForm, StreamSubject, prove_stream
from edgewright.proof.tolerance import PREDICTION, PROBABILITIES, Stages
from edgewright.workflows.proof.anomalies import anomalies, detector_names, detector_rules, tied_rows, watched
from edgewright.workflows.proof.artifacts import Change, Files, compilers
from edgewright.workflows.proof.comparison import int8_ends_tolerance
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.forms.wasm import IN, PICTURE, lacking_tools
from edgewright.workflows.proof.stream_rows import (
    CompiledPredictor,
    alarm_rows,
    answers_of_bytes,
    cut_rows,
    decided,
    judge_of,
    natural_rows,
)
from edgewright.workflows.proof.subject import Chosen

PYTHON = "Python agent"
ANSWERS, MEANS, EVENTS = "answers", "averaged probabilities", "events"
# Rows that go through the stream at most: of windows, of single rows, and where detectors look on.
_WINDOWED, _SINGLE, _WATCHED = 20_000, 3_000, 4_000
# What an event says of an anomaly; the other fields say what the model decided.
_OF_ANOMALIES = ("score", "threshold", "channel", "detector")
# Samples by which the range of predictions is measured.
_RANGED = 256
_SAME = "the same events at the same rows from the same answers"


def stream_proof(subject: Subject, location: str, chosen: Chosen, change: Change | None = None) -> ProofRecord | None:
    """Prove the stream of a package; None where there is none: no package, or one of whole recordings.

    Args:
        subject: of the proof, with its package.
        location: where it was read from.
        chosen: samples, of which the stream is made.
        change: of the files before they are compiled, to plant a fault.

    Raises:
        InputError: a package whose stream C cannot hold.
    """
    package = subject.package
    if package is None:
        return None
    exported = importlib.import_module("edgewright.export.contract").package_subject(package)
    if exported.stream is None or not len(chosen.samples):
        return None
    return _Proof(subject, exported, chosen, change).record(location)


@dataclass(frozen=True)
class _Code:
    """Generated C of the package.

    Attributes:
        name: name of its forms, before the compiler's.
        word: prefix of its names.
        files: texts by name.
        numbers: of its network.
        prefixes: of the detectors in it.
    """

    name: str
    word: str
    files: Files
    numbers: Numbers
    prefixes: tuple[str, ...]


@dataclass(frozen=True)
class _Module:
    """A stream in WebAssembly, called as `c99_host.probe.CStream`. It shows its ends alone, and has no detectors.

    Attributes:
        module: `export.web.runner.WasmModel`.
        fields: of an event.
        answer: name of its numbers, 'probabilities' or 'prediction'.
    """

    module: Any
    fields: tuple[str, ...]
    answer: str

    @property
    def model(self) -> _Module:
        """The model alone."""
        return self

    def run(self, rows: Floats, lost: NDArray[Any], times: NDArray[Any]) -> Any:  # noqa: ANN401 - `probe.StreamTold`
        """Push rows from the beginning."""
        return self.module.run(rows, lost)

    def predict(self, samples: Floats) -> Any:  # noqa: ANN401 - `c99_host.host.CAnswer`
        """Return answers without stages."""
        flags, answers = self.module.predict(samples)
        outputs = {self.answer: answers["given"]}
        if self.answer == PROBABILITIES:
            outputs |= {"label": answers["label"], "confidence": answers["confidence"]}
        return importlib.import_module("edgewright.export.c99_host.host").CAnswer(outputs, flags, {})


class _Proof:
    """One package with its rows."""

    def __init__(self, subject: Subject, exported: Any, chosen: Chosen, change: Change | None) -> None:  # noqa: ANN401
        assert subject.package is not None  # noqa: S101 - asked before
        self.package, self.manifest, self.chosen = subject.package, subject.package.manifest, chosen
        c99 = importlib.import_module("edgewright.export.targets.c99").TARGET
        files = {name: data.decode() for name, data in c99.files(exported).items()}
        written = self._watchers(exported, exported.word)
        self.watchers = written.all
        code = _code("C99 stream", exported.word, change(files) if change else files, self._prefixes(written))
        self.codes = [code, *self._shipped(subject, exported)]
        self.detectors = [parse_detector(exported.detectors[w.name], w.name) for w in self.watchers]
        self.absent = [AbsentForm(name=f"detector {name}", reason=why) for name, why in written.refused.items()]
        self.subject, self.exported = subject, exported
        self.own = _defined(self.package)
        window = self.manifest.window
        rates = [window.rate if window else None, *(file.spec.rate for file in self.detectors)]
        self.rate = next((float(rate) for rate in rates if rate and math.isfinite(rate)), 1.0)
        maximum = _WATCHED if self.detectors else _WINDOWED if self.manifest.window else _SINGLE
        samples, step = (window.samples, window.step) if window else (1, 1)
        decision = self.manifest.decision
        minimum = samples + step * (decision.smoothing + decision.debounce + 2)
        self.rows = natural_rows(chosen, self.rate, maximum, minimum, self.manifest.missing is not None, subject.ranges)
        self.notes: tuple[str, ...] = ()
        self._streams: dict[tuple[str, str], Any] = {}

    def _watchers(self, exported: Any, word: str) -> Any:  # noqa: ANN401 - `c99_stream.detectors.Watchers`
        writer = importlib.import_module("edgewright.export.c99_stream.detectors")
        columns = [column.name for column in self.manifest.columns]
        return writer.watchers_of(exported.detectors, self.manifest.window, name=word, columns=columns)

    @staticmethod
    def _prefixes(written: Any) -> tuple[str, ...]:  # noqa: ANN401 - `c99_stream.detectors.Watchers`
        return tuple(watcher.prefix for watcher in written.all)

    def _shipped(self, subject: Subject, exported: Any) -> Iterator[_Code]:  # noqa: ANN401 - an exported subject
        """Yield streams as they lie on the disk."""
        for artefact in subject.of_kind("stream"):
            word = next(name for name in artefact.files if name.endswith("_stream.h")).removesuffix("_stream.h")
            texts = {name: content.decode(errors="replace") for name, content in artefact.files.items()}
            yield _code(artefact.name, word, texts, self._prefixes(self._watchers(exported, word)))

    def record(self, location: str) -> ProofRecord | None:
        here = list(compilers(self.absent))
        forms = [self._form(code, *arguments) for code in self.codes for arguments in here]
        forms += self._modules()
        rules, names = self._rules()
        numbers: Numbers = "int8" if self.own.form == "int8" else "float"
        if forms and here:
            try:
                self._add_made(here[0][1])
            except StoppedError as error:
                # Its form stops as well, which the record says.
                self.notes = (*self.notes, f"no rows could be constructed: {error}")
        about = StreamSubject(
            name=f"{self.manifest.name}, its stream",
            path=location,
            source=f"rows of a stream made of {self.chosen.source}",
            origins=self.rows.origins,
            reference=PYTHON,
            numbers=numbers,
            rules=rules,
            names=names,
            shape=(len(self.manifest.columns),),
            absent=tuple(self.absent),
        )
        return msgspec.structs.replace(prove_stream(about, forms), notes=self.notes)

    def _modules(self) -> Iterator[StreamForm]:
        """Yield the module that `export --to web` would write now, and those that lie on the disk."""
        lacking = lacking_tools()
        code, name = self.codes[0], f"WebAssembly stream {IN}"
        fields = importlib.import_module("edgewright.export.c99_host.probe").struct_fields(
            code.files[f"{code.word}_stream.h"], f"{code.word}_event"
        )
        note = "without the detectors" if self.watchers else ""

        def run(form: str, content: Callable[[], bytes]) -> tuple[Stages, Stages]:
            module = importlib.import_module("edgewright.export.web.module").WasmModel(content())
            answer = PROBABILITIES if self.manifest.labels else PREDICTION
            own = replace(code, name=form, numbers=module.numbers, prefixes=())
            return self._both(own, _Module(module, fields, answer))

        if lacking:
            self.absent.append(AbsentForm(name=name, reason=lacking))
        elif len(self.exported.graph.inputs[0].shape) != PICTURE:
            yield StreamForm(name, partial(run, name, self._written_module), note)
        for artefact in self.subject.of_kind("wasm") if not lacking else ():
            lies = f"{artefact.name}, its stream {IN}"
            yield StreamForm(lies, partial(run, lies, partial(getattr, artefact, "content")), note)

    def _written_module(self) -> bytes:
        web = importlib.import_module("edgewright.export.targets.web")
        content: bytes = web.module_of(self.exported)
        return content

    def _form(self, code: _Code, name: str, command: str, note: str) -> StreamForm:
        return StreamForm(f"{code.name} by {name}", lambda: self._both(code, self._stream(code, command)), note)

    def _stream(self, code: _Code, command: str) -> Any:  # noqa: ANN401 - `c99_host.probe.CStream`
        key = code.name, command
        if key not in self._streams:
            probe = importlib.import_module("edgewright.export.c99_host.probe")
            absent = [prefix for prefix in code.prefixes if f"{prefix}_detect.c" not in code.files]
            if absent:
                raise ProofError(f"the file {absent[0]}_detect.c of the package's detector", "none", code.name)
            stream = probe.CStream(code.files, code.word, code.prefixes, len(self.manifest.labels), command)
            self._streams[key] = stream
        return self._streams[key]

    def _both(self, code: _Code, stream: Any) -> tuple[Stages, Stages]:  # noqa: ANN401 - `c99_host.probe.CStream`
        rows, record = self.rows, stream.run(self.rows.values, self.rows.lost, self.rows.times)
        own_numbers = self.own if code.numbers == self.own.form else _defined(self.package, code.numbers)
        cuts = cut_rows(rows, self.manifest)
        places = np.array([int(np.searchsorted(rows.times, cut.times[0])) for cut in cuts], np.int64)
        empty = np.zeros((0, *self.manifest.shape), np.float32)
        samples = np.concatenate([cut.samples for cut in cuts]) if cuts else empty
        theirs = CompiledPredictor(own_numbers, stream.model)
        numbers = [predictor.predict(samples) for predictor in (own_numbers, theirs)] if cuts else []
        expected: Stages = {}
        actual: Stages = {}
        if numbers:
            compiled = _numbers(numbers[1])
            given = self._rounded_alike(code, stream, samples, _numbers(numbers[0]), compiled)
            expected[ANSWERS], actual[ANSWERS] = (
                _spread(len(rows.values), places, values) for values in (given, compiled)
            )
        for number, watcher in enumerate(self.watchers if record.scores.shape[1] else ()):
            scores = record.scores[:, number]
            verdicts = watched(self.detectors[number], rows.values[:, watcher.places], rows.times, scores)
            told_odd = {row: event for row, event in record.events if event.get("detector", -1.0) == number}
            own = {index: channel for channel, index in enumerate(watcher.places)}
            channels = {row: own.get(int(event["channel"]), -1) for row, event in told_odd.items()}
            limits = {row: event["threshold"] for row, event in told_odd.items()}
            limit = self.detectors[number].spec.threshold.value
            both = anomalies(watcher.name, verdicts, scores, channels, limits, limit)
            for stages, pair in zip((expected, actual), both, strict=True):
                stages.update(pair)
        fields = tuple(field for field in stream.fields if field not in _OF_ANOMALIES)
        bits = _flag_bits(code.files[f"{code.word}.h"], code.word)
        means, events = self._decided(cuts, places, numbers[1] if numbers else None, fields, bits)
        theirs_told = [(row, event) for row, event in record.events if event.get("detector", -1.0) < 0]
        if self.manifest.labels:
            expected[MEANS], actual[MEANS] = means, record.means
        expected[EVENTS] = events
        actual[EVENTS] = _listed(len(rows.values), fields, theirs_told)
        return expected, actual

    def _rounded_alike(
        self, code: _Code, stream: Any, samples: Floats, own: Floats, other: Floats  # noqa: ANN401 - `CStream`
    ) -> Floats:  # fmt: skip
        """Return Python's answers, where inputs on the edge of a step move one too far those of the bytes of C."""
        beyond = (distance(own, other) > self.allowed).any(axis=1)
        if code.numbers != "int8" or not beyond.any():
            return own
        stages = stream.model.predict(samples[beyond]).stages
        if not stages:
            shown = [self._streams[key].model for key in self._streams if self.codes[0].numbers == code.numbers][:1]
            stages = shown[0].predict(samples[beyond]).stages if shown else {}
        answers, moved = answers_of_bytes(self.subject, stages, samples[beyond], own[beyond])
        if moved.any():
            note = f"{code.name}: inputs of {moved.sum()} answers lie on the edge of a step; compared from its bytes on"
            self.notes = tuple(dict.fromkeys((*self.notes, note)))
        own = own.copy()
        own[beyond] = answers
        return own

    def _decided(
        self, cuts: Sequence[SampleBatch], places: NDArray[np.int64], answers: Answers | None, fields: tuple[str, ...],
        bits: Mapping[str, int],
    ) -> tuple[NDArray[Any], NDArray[Any]]:  # fmt: skip
        """Return means after each row, and the events, as the agent has them over these answers."""
        n = len(self.rows.values)
        means, records = np.zeros((n, len(self.manifest.labels)), np.float32), []
        judge = judge_of(self.own, self.rate, self.manifest.decision)
        last = 0
        for index, (at, cut) in enumerate(zip(places.tolist(), cuts, strict=True)):
            assert answers is not None  # noqa: S101 - one for each cut
            answer = Answered(cut, answers.part(slice(index, index + 1)))
            seen = judge.take(answer)[0]
            means[last:at] = means[last - 1] if last else 0.0
            if self.manifest.labels:
                means[at] = judge.means
            last = at + 1
            row = float(self.rows.numbers[at])
            flags = float(_flags(answer, bits))
            if not self.manifest.labels and answer.answers.predictions is not None:
                records.append(
                    (at, {"kind": 1.0, "value": float(answer.answers.predictions[0]), "row": row, "flags": flags})
                )
            records += [(at, {**_decision(s, self.manifest), "row": row, "flags": flags}) for s in seen if s.decided]
        means[last:] = means[last - 1] if last else 0.0
        return means, _listed(n, fields, records)

    def _rules(self) -> tuple[dict[str, Rule], dict[str, tuple[str, ...]]]:
        labels = self.manifest.labels
        allowed, words = tolerance.PROBABILITY, tolerance.CHANCE
        if self.own.form != "float" and self.subject.network is None:
            allowed = int8_ends_tolerance(self.subject)
            words = tolerance.ENDS.format(allowed)
        unit = 1.0 if labels else _range(self.own.predict(self.chosen.samples[:_RANGED]))
        self.allowed = allowed * unit
        rules = {ANSWERS: Rule(words, relative=0.0 if labels else 1e-5, absolute=self.allowed)}
        names = {ANSWERS: labels, MEANS: labels}
        for watcher, file in zip(self.watchers, self.detectors, strict=True):
            rules |= detector_rules(watcher.name, file.spec.threshold.value)
            names |= detector_names(watcher.name)
        if labels:
            rules[MEANS] = Rule("bit-exact over the same answers")
        rules[EVENTS] = Rule(_SAME, numbers="label", kinds=True)
        fields = importlib.import_module("edgewright.export.c99_host.probe").struct_fields
        code = self.codes[0]
        header = fields(code.files[f"{code.word}_stream.h"], f"{code.word}_event")
        names[EVENTS] = tuple(field for field in header if field not in _OF_ANOMALIES)
        return rules, names

    def _add_made(self, command: str) -> None:
        """Add scores that just reach a threshold, and alarms around the end of a refractory time."""
        notes = []
        for watcher, file in zip(self.watchers, self.detectors, strict=True):
            if watcher.given:
                continue
            begin = f"{watcher.prefix}_"
            files = {name: text for name, text in self.codes[0].files.items() if name.startswith(begin)}
            probe = importlib.import_module("edgewright.export.c99_host.probe")
            detector = probe.CDetector(files, watcher.prefix, command)
            tied = tied_rows(self.rows, watcher.places, detector, file)
            if tied is None:
                notes.append(f"no row has a score exactly at the threshold of detector {watcher.name}")
            else:
                self.rows = tied
        if self.manifest.labels:
            theirs = CompiledPredictor(self.own, self._stream(self.codes[0], command).model)
            alarms = self.manifest.decision.alarms
            rows = alarm_rows(self.chosen, self.manifest, self.rate, theirs) if alarms else None
            if rows is not None:
                self.rows = self.rows.followed_by(rows)
            elif alarms:
                notes.append("no two alarms of a label could be made of these samples")
            if not decided(self.rows, self.manifest, theirs):
                notes.append("these rows cause no events, so events are not tested. Pass others with --data")
        self.notes = tuple(notes)


def _defined(package: Package, numbers: Numbers | None = None) -> Predictor:
    """Return a predictor whose integers are rounded as in C: other engines round in every layer on their own.

    The proof of samples compares those engines; a stream compares what is decided over answers.
    """
    default = numbers or package.manifest.default
    return Predictor(package, form=default, engine="numpy" if default == "int8" else None)


def _code(name: str, word: str, files: Files, prefixes: tuple[str, ...]) -> _Code:
    numbers: Numbers = "int8" if f"{word.upper()}_NETWORK_INPUTS" in files[f"{word}.h"] else "float"
    return _Code(name, word, files, numbers, prefixes)


def _decision(seen: StreamAnswer, manifest: Manifest) -> dict[str, float]:
    """Return what an event in C says of a decision."""
    label = float(manifest.labels.index(seen.decided))
    return {"kind": 2.0 if seen.alarm else 1.0, "label": label, "confidence": seen.score}


def _flag_bits(header: str, word: str) -> dict[str, int]:
    """Return flags of an answer by name, as the header numbers them."""
    flags = re.findall(rf"#define {word.upper()}_(OUT_OF_RANGE|MISSING|UNSURE) (\d+)u", header)
    return {name: int(bit) for name, bit in flags}


def _flags(answered: Answered, bits: Mapping[str, int]) -> int:
    says = {
        "OUT_OF_RANGE": bool(answered.answers.out_of_range[0]),
        "MISSING": bool(answered.answers.missing[0]),
        "UNSURE": bool(answered.answers.unsure[0]),
    }
    return sum(bit for name, bit in bits.items() if says.get(name, False))


def _range(answers: Answers) -> float:
    """Between the smallest and the largest prediction; 1 where they are all alike."""
    values = np.asarray(answers.predictions, np.float64)
    known = values[np.isfinite(values)]
    return float(np.ptp(known)) or 1.0 if len(known) else 1.0


def _numbers(answers: Answers) -> Floats:
    return answers.probabilities if answers.predictions is None else answers.predictions[:, None]


def _spread(n: int, places: NDArray[np.int64], values: NDArray[Any]) -> NDArray[Any]:
    """Return values at their rows, 0 at all others."""
    wide = np.zeros((n, *values.shape[1:]), values.dtype)
    wide[places] = values
    return wide


def _listed(n: int, fields: Sequence[str], events: Sequence[tuple[int, Mapping[str, float]]]) -> NDArray[np.float64]:
    """Return fields of the event at each row, 0 where there is none; what is not told is no number."""
    table = np.zeros((n, len(fields)))
    for row, event in events:
        table[row] = [event.get(field, math.nan) for field in fields]
    return table
