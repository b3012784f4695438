"""Generated C99 by every compiler of this machine: the whole pipeline, float and with its integer network."""

from __future__ import annotations

import importlib
import math
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StoppedError
from edgewright.core.prediction.objects import read_objects
from edgewright.core.records.proof import Numbers
from edgewright.graph.extract import float_part, layers, marked_stages
from edgewright.proof.tolerance import (
    BYTES,
    FLAGS,
    GENERATED,
    LABEL,
    MISSING,
    OBJECTS,
    OUTPUT,
    PREDICTION,
    PROBABILITIES,
    RANGE,
    UNSURE,
    Form,
    Samples,
    Stages,
)
from edgewright.workflows.proof.artifacts import Artefact
from edgewright.workflows.proof.forms import NUMBERS, Forms, Run, Subject
from edgewright.workflows.proof.forms.integers import drawn_rows, drawn_stage
from edgewright.workflows.proof.stages import all_values, layer_layout, shapes

NAME = "model"
_OUT_OF_RANGE = 1
_WIDEST = float(np.finfo(np.float32).max)
Files = Mapping[str, str]


@dataclass
class _Builds:
    """All compilations of a subject, begun together when the first one is asked for: they take most of the time.

    Attributes:
        subject: what is written.
        jobs: numbers of the network and the compiler's command.
        builds: what is being compiled.
    """

    subject: Subject
    jobs: list[tuple[Numbers, str]] = field(default_factory=list)
    builds: dict[tuple[Numbers, str], Future[Any]] = field(default_factory=dict)

    def model(self, numbers: Numbers, command: str) -> Any:  # noqa: ANN401 - `c99_host.host.CModel`
        """Return the compiled form.

        Raises:
            InputError: when the compiler refuses the code.
        """
        if not self.builds:
            files = {
                name: {**written(self.subject, name), **_objects(self.subject, name)}
                for name in dict.fromkeys(name for name, _ in self.jobs)
            }
            pool = ThreadPoolExecutor(max_workers=min(len(self.jobs), os.cpu_count() or 1))
            self.builds = {job: pool.submit(_loaded, files[job[0]], job[1]) for job in self.jobs}
            pool.shutdown(wait=False)
        return self.builds[numbers, command].result()


def _make(subject: Subject) -> Iterator[Form]:
    yield from _written_forms(subject)
    for artefact in subject.of_kind("c99"):
        yield from _lying(subject, artefact)


def _written_forms(subject: Subject) -> Iterator[Form]:
    host, builds = _host(), _Builds(subject)
    for compiler in host.compilers():
        if not compiler.command:
            subject.missing(f"C99 by {compiler.name}", f"{compiler.name} is not installed")
            continue
        for numbers in NUMBERS:
            if numbers in subject.graphs and (numbers == "float" or subject.network is not None):
                yield _built_form(builds, numbers, compiler)


def _built_form(builds: _Builds, numbers: Numbers, compiler: Any) -> Form:  # noqa: ANN401 - `c99_host.host.Compiler`
    command = shlex.join(compiler.command)
    builds.jobs.append((numbers, command))

    def run(samples: Samples, boundary: Samples) -> Stages:
        return _run(builds.subject, numbers, builds.model(numbers, command), samples)

    note = " ".join([f"{compiler.name} {compiler.version}".rstrip(), *_host().FLAGS])
    return Form(name=f"{numbers} C99 by {compiler.name}", numbers=numbers, run=run, note=note, source=GENERATED)


def _lying(subject: Subject, artefact: Artefact) -> Iterator[Form]:
    """Yield sources as they lie on the disk, by the first compiler there is."""
    name = f"{artefact.name} in C99"
    compiler = next((compiler for compiler in _host().compilers() if compiler.command), None)
    word = Path(artefact.name).stem
    files = {file: content.decode("utf-8", "replace") for file, content in artefact.files.items()}
    numbers: Numbers = "int8" if f"#define {word.upper()}_NETWORK_INPUTS " in files[f"{word}.h"] else "float"
    if compiler is None:
        subject.missing(name, "no C compiler: apt-get install gcc")
    elif f"{word}_context;" not in files[f"{word}.h"]:
        subject.missing(name, "an older version exported it without a context; export it again")
    elif numbers not in subject.graphs or (numbers == "int8" and subject.network is None):
        subject.missing(name, f"it is {numbers}, and {subject.name} has no {numbers} network")
    else:
        note = " ".join([f"{compiler.name} {compiler.version}".rstrip(), *_host().FLAGS])
        labels = _labels(files[f"{word}.h"], subject.graphs[numbers].labels)
        run = _lying_run(subject, numbers, files, shlex.join(compiler.command))
        yield Form(name, numbers, run, note=note, labels=labels, files=artefact.shown, source=GENERATED)


def _lying_run(subject: Subject, numbers: Numbers, files: Files, command: str) -> Run:
    def run(samples: Samples, boundary: Samples) -> Stages:
        # What a device runs answers; a second compilation shows the stages inside.
        with ThreadPoolExecutor(max_workers=2) as pool:
            plain, opened = pool.map(lambda taps: _loaded(files, command, taps=taps), (False, True))
        answer = plain.predict(samples)
        whole = replace(answer, stages=opened.predict(samples).stages)
        stages = _stages(subject, numbers, whole, flagged=_is_flagged(subject, files))
        return {**stages, **_of_random_bytes(subject, numbers, plain, len(samples))}

    return run


def _is_flagged(subject: Subject, files: Files) -> bool:
    """Return whether sources flag what is unsure as the package does: those of a model alone know no threshold."""
    header = files[min((name for name in files if name.endswith(".h")), key=len)]
    return f"_UNSURE {UNSURE}u" in header and ("confidence is below" in header) == (subject.confidence > 0)


def _labels(header: str, labels: Sequence[str]) -> tuple[str, ...]:
    """Return class names that a header says in its comments, which cannot hold every letter."""
    plain = {importlib.import_module("edgewright.export.c99_code.text").comment(label): label for label in labels}
    names = re.findall(r"^/\* Label \d+: (.*) \*/$", header, re.MULTILINE)
    return tuple(plain.get(text, text) for text in names)


def c_form(subject: Subject, numbers: Numbers, name: str, change: Callable[[Files], Files]) -> Form:
    """Return a form of generated C that is changed before it is compiled.

    Args:
        subject: what is written.
        numbers: of its network.
        name: name of the form.
        change: of the files.
    """

    def run(samples: Samples, boundary: Samples) -> Stages:
        return _run(subject, numbers, _loaded(change(written(subject, numbers)), ""), samples)

    return Form(name=name, numbers=numbers, run=run, source=GENERATED)


def _loaded(files: Files, command: str, *, taps: bool = True) -> Any:  # noqa: ANN401 - `c99_host.host.CModel`
    """Compiled and opened; the files may go once they are."""
    folder = Path(tempfile.mkdtemp(prefix="edgewright-"))
    try:
        return _host().load_c99(files, folder, compiler=command, taps=taps)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def written(subject: Subject, numbers: Numbers, core: str = "") -> Files:
    """Return the C of a subject, for a core or portable, with all its stages among those that can be seen."""
    graph, inside = marked_stages(subject.graphs[numbers], subject.network if numbers == "int8" else None)
    ranges = [
        None if low is None and high is None else (-_WIDEST if low is None else low, _WIDEST if high is None else high)
        for _, low, high in subject.ranges
    ]
    writer = importlib.import_module("edgewright.export.c99_code.pipeline")
    options = writer.CodeOptions(NAME, ranges=ranges, inside=inside, confidence=subject.confidence, core=core)
    files: Files = writer.write_c99(graph, options, subject.network if inside else None)
    return files


def _objects(subject: Subject, numbers: Numbers) -> Files:
    """Return what finds objects in the map of an answer; nothing for other models."""
    spec = read_objects(subject.graphs[numbers].metadata)
    if spec is None:
        return {}
    files: Files = importlib.import_module("edgewright.export.c99_code.linkable").write_objects_c99(spec, name=NAME)
    return files


def _run(subject: Subject, numbers: Numbers, model: Any, samples: Samples) -> Stages:  # noqa: ANN401 - `host.CModel`
    stages = _stages(subject, numbers, model.predict(samples))
    return {**stages, **_of_random_bytes(subject, numbers, model, len(samples))}


def _of_random_bytes(
    subject: Subject, numbers: Numbers, model: Any, count: int  # noqa: ANN401 - `host.CModel`
) -> Stages:  # fmt: skip
    """Return what the integer network of compiled C gives for drawn bytes; nothing where there is none."""
    network, graph = subject.network, subject.graphs[numbers]
    if network is None or numbers != "int8":
        return {}
    images = importlib.import_module("edgewright.export.c99_graph.graph")
    turned = images.input_turn(graph, network, image=bool(images.image_channels(graph))) is not None
    rows = drawn_rows(network, count)
    return drawn_stage(model.network(images.pixels(rows) if turned else rows), count)


def _stages(
    subject: Subject, numbers: Numbers, answer: Any, flagged: bool = True  # noqa: ANN401 - `c99_host.host.CAnswer`
) -> Stages:  # fmt: skip
    return c_stages(subject, numbers, answer.flags, answer.stages, answer.outputs, flagged)


def c_stages(
    subject: Subject,
    numbers: Numbers,
    flags: NDArray[Any],
    stages: Mapping[str, NDArray[Any]],
    outputs: Mapping[str, NDArray[Any]],
    flagged: bool = True,
) -> Stages:
    """Return what generated C answers as stages: in the order of the reference, in the graph's layout.

    Args:
        subject: what was written.
        numbers: of its network.
        flags: of each answer.
        stages: values seen inside, by stage.
        outputs: by name.
        flagged: whether the flags say which answers are unsure.
    """
    network = subject.network if numbers == "int8" else None
    result: Stages = {RANGE: np.asarray(flags & _OUT_OF_RANGE, np.int64)}
    graph = subject.graphs[numbers]
    whole = shapes(graph, all_values(graph, network or float_part(graph)))
    for stage, values in stages.items():
        if network is None or stage not in (BYTES, *layers(network)):
            # Raw outputs lie in a row in every form.
            shape = (-1,) if stage == OUTPUT else whole.get(stage, values.shape[1:])
            result[stage] = np.asarray(values).reshape(len(values), *shape)
            continue
        number = network.input if stage == BYTES else layers(network)[stage]
        size = math.prod(network.values[number].shape)
        if values[:1].size not in (0, size):
            raise StoppedError(f"{stage} has {values[:1].size} values; expected {size}")
        inside = np.asarray(values, np.int8).reshape(len(values), *network.values[number].shape)
        result[stage] = (
            inside if stage == BYTES else layer_layout(network, number, inside, whole.get(stage, inside.shape[1:]))
        )
    for name in (PROBABILITIES, PREDICTION):
        if name in outputs:
            result[name] = np.asarray(outputs[name], np.float32).reshape(len(outputs[name]), -1)
    if OBJECTS in outputs:
        result[OBJECTS] = outputs[OBJECTS]
    if LABEL in outputs:
        result[LABEL] = np.asarray(outputs[LABEL], np.int64)
    if flagged:
        result[FLAGS] = np.asarray(flags & (MISSING | UNSURE), np.int64)
    return result


def _host() -> Any:  # noqa: ANN401 - a module, loaded when C is asked for
    return importlib.import_module("edgewright.export.c99_host.host")


FORMS = Forms(rank=50, make=_make, targets=("c99", "library"))
