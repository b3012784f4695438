"""What lies on the disk of a model: files that are proven as they lie there, and those that are not, by name."""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import FileTooLargeError, MissingFileError, ProofError
from edgewright.core.package import INPUT_VECTORS, Package, read_package
from edgewright.core.prediction.objects import INDEX, MODULE, cpu_features, read_index, this_system
from edgewright.core.records.proof import AbsentForm, FileRecord, ProofRecord
from edgewright.pipeline.run_folder.folder import EVALUATED
from edgewright.proof.stream import StreamForm, StreamSubject, prove_stream
from edgewright.proof.tolerance import Stages

Kind = Literal["onnx", "tflite", "c99", "stream", "steps", "extension", "wasm", "verilog"]
_SUFFIXES: dict[str, Kind] = {
    ".onnx": "onnx", ".tflite": "tflite", ".so": "extension", ".pyd": "extension", ".wasm": "wasm",
}  # fmt: skip
# Folder of the fitted stages in a run folder.
PIPELINE = "pipeline"
# What a run writes that answers nothing.
_RECORDS = {"trace.json": "the run's record", "trace.html": "the run's page", "compress.json": "the record of compress"}
_LARGEST = 256 << 20


@dataclass(frozen=True)
class Artefact:
    """A model as it lies on the disk.

    Attributes:
        name: by which a reader finds it.
        kind: how it is run.
        files: its bytes by file name: one, or the sources of generated C.
        labels: class names that come with it and not in it; empty for none.
    """

    name: str
    kind: Kind
    files: Mapping[str, bytes]
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of its files for a reader."""
        if len(self.files) == 1:
            return (self.name,)
        folder, slash, _ = self.name.rpartition("/")
        return tuple(f"{folder}{slash}{file}" for file in self.files)

    @property
    def content(self) -> bytes:
        """The bytes of a model of one file."""
        (content,) = self.files.values()
        return content


@dataclass
class Findings:
    """What was read.

    Attributes:
        artefacts: to prove.
        files: every file that was met.
        known: SHA-256 of the models that are proven under another name, with that name.
        elsewhere: modules of `--to native` that this machine cannot load, and why.
    """

    artefacts: list[Artefact] = field(default_factory=list)
    files: list[FileRecord] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[Path, str] = field(default_factory=dict)

    def source(self, name: str, content: bytes) -> None:
        """Note a model that is the subject itself."""
        self.files.append(_record(name, content))
        self.known.setdefault(self.files[-1].sha256, name)

    def unproven(self, name: str, content: bytes, why: str) -> None:
        """Note a file that is not proven."""
        self.files.append(_record(name, content, why))

    def package(self, name: str, package: Package, *, subject: bool) -> None:
        """Note a package: its models, and what else is in it."""
        models = set(package.manifest.forms.values())
        for file, content in sorted(package.files.items()):
            inside = f"{name}: {file}"
            if file not in models:
                vectors = file.startswith(INPUT_VECTORS.partition("/")[0])
                self.unproven(inside, content, "run by `predict` before it answers" if vectors else _no_form(file))
            elif subject:
                self.source(inside, content)
            else:
                self._model(Artefact(inside, "onnx", {file: content}, package.manifest.labels))

    def folder(self, folder: Path, shown: str, skip: Sequence[Path] = ()) -> None:
        """Read all that lies in a folder and below it."""
        sources = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in (".c", ".h")}
        names = {name for pair in self._generated(sources, shown) for name in pair}
        names |= {name for design in self._designs(folder, shown) for name in design}
        self.elsewhere |= _not_for_here(folder)
        for path in sorted(folder.iterdir()):
            name = f"{shown}{path.name}"
            if path in skip or path.name in names:
                continue
            if path.is_dir():
                self.folder(path, f"{name}/")
            else:
                self.file(path, name)

    def file(self, path: Path, shown: str) -> None:
        """Read a file: a model, a package, or what is not proven."""
        content = _bytes(path)
        kind = _SUFFIXES.get(path.suffix)
        if path in self.elsewhere:
            self.unproven(shown, content, self.elsewhere[path])
        elif path.suffix == ".edge":
            self.package(shown, read_package(path), subject=False)
        elif kind is not None and (kind != "extension" or path.name.startswith(MODULE)):
            self._model(Artefact(shown, kind, {path.name: content}))
        else:
            self.unproven(shown, content, _RECORDS.get(path.name) or _no_form(path.name))

    def _model(self, artefact: Artefact) -> None:
        """Classify a model that is unproven unless its exact bytes are proven."""
        record = _record(artefact.name, artefact.content)
        if record.sha256 in self.known and not artefact.labels:
            self.files.append(_record(artefact.name, artefact.content, same=self.known[record.sha256]))
            return
        self.known.setdefault(record.sha256, artefact.name)
        self.files.append(record)
        self.artefacts.append(artefact)

    def _generated(self, sources: Mapping[str, Path], shown: str) -> Iterator[tuple[str, ...]]:
        """Yield generated C: a header with a function that answers, and its source."""
        for header in (name for name in sources if name.endswith(".h")):
            word = Path(header).stem
            source = f"{word}.c"
            if source not in sources or f" {word}_predict(" not in _bytes(sources[header]).decode(errors="replace"):
                continue
            also = [name for name in (f"{word}_objects.c", f"{word}_objects.h") if name in sources]
            pair = {name: _bytes(sources[name]) for name in (source, header, *also)}
            self.artefacts.append(Artefact(f"{shown}{source}", "c99", pair))
            self.files += [_record(f"{shown}{name}", content) for name, content in pair.items()]
            yield source, header, *also
            yield from self._steps(sources, shown, word)
            yield from self._stream(sources, shown, word, pair)

    def _designs(self, folder: Path, shown: str) -> Iterator[tuple[str, ...]]:
        """Yield networks in Verilog: a module with its memories."""
        for path in sorted(folder.glob("*.v")):
            names = (path.name, *(f"{path.stem}_{memory}.hex" for memory in ("weights", "factors")))
            if not all((folder / name).is_file() for name in names):
                continue
            files = {name: _bytes(folder / name) for name in names}
            self.artefacts.append(Artefact(f"{shown}{path.name}", "verilog", files))
            self.files += [_record(f"{shown}{name}", content) for name, content in files.items()]
            yield names

    def _steps(self, sources: Mapping[str, Path], shown: str, word: str) -> Iterator[tuple[str, ...]]:
        """Yield the network of a model step by step."""
        names = (f"{word}_steps.c", f"{word}_steps.h")
        if all(name in sources for name in names):
            files = {name: _bytes(sources[name]) for name in names}
            self.artefacts.append(Artefact(f"{shown}{names[0]}", "steps", files))
            self.files += [_record(f"{shown}{name}", content) for name, content in files.items()]
            yield names

    def _stream(
        self, sources: Mapping[str, Path], shown: str, word: str, pair: Mapping[str, bytes]
    ) -> Iterator[tuple[str, ...]]:
        """Yield the stream around a model, with the files of its detectors."""
        if not {f"{word}_stream.h", f"{word}_stream.c"} <= sources.keys():
            return
        others = {f"{word}_{part}.{end}" for part in ("self_test", "steps") for end in "hc"}
        names = [name for name in sources if name.startswith(f"{word}_") and name not in others]
        around = {name: _bytes(sources[name]) for name in names}
        self.artefacts.append(Artefact(f"{shown}{word}_stream.c", "stream", {**pair, **around}))
        self.files += [_record(f"{shown}{name}", content) for name, content in around.items()]
        yield tuple(around)


def read_artefacts(
    file_path: Path, package: Package | None, models: Mapping[str, bytes], given: Sequence[str]
) -> Findings:
    """Return everything beside a subject that is proven as it lies on the disk.

    Args:
        file_path: run folder, package or model the subject was read from.
        package: that the subject is; None for models alone.
        models: file name -> bytes of the subject's models, where they come from no package.
        given: further files and folders.

    Raises:
        InputError: for what is not there, is damaged, or, of what is given, holds nothing that can be proven.
    """
    findings = Findings()
    packages = (
        sorted(file_path.glob("*.edge")) if file_path.is_dir() else [file_path] if file_path.suffix == ".edge" else []
    )
    if package is not None:
        name = packages[0].name if packages else f"{package.manifest.name}.edge"
        findings.package(name, package, subject=True)
    for name, content in models.items():
        findings.source(name, content)
    if file_path.is_dir():
        own = [file_path / name for name in models] + ([] if package is None else packages[:1])
        fitted = file_path / PIPELINE
        if fitted.is_dir():
            parts = {path.relative_to(fitted).as_posix(): _bytes(path) for path in fitted.rglob("*") if path.is_file()}
            findings.files.append(_record(f"{PIPELINE}/", b"".join(n.encode() + c for n, c in sorted(parts.items()))))
        report = file_path / EVALUATED
        if report.is_dir():
            findings.unproven(f"{EVALUATED}/", b"", f"the tested fit: edgewright prove {report}")
        findings.folder(file_path, "", skip=(*own, fitted, report))
    elif package is not None and file_path.suffix == ".onnx":
        findings.file(file_path, file_path.name)
    for text in given:
        path = Path(text)
        before = len(findings.artefacts), sum(bool(file.same) for file in findings.files)
        if not path.exists():
            raise MissingFileError("a file or folder to prove", "no such file", text, "Check the path after --with")
        if path.is_dir():
            findings.folder(path, f"{text.rstrip('/')}/")
        else:
            findings.file(path, text)
        if before == (len(findings.artefacts), sum(bool(file.same) for file in findings.files)):
            if findings.elsewhere and path.is_dir():
                reasons = "; ".join(f"{file.parent.name} ({why})" for file, why in sorted(findings.elsewhere.items()))
                raise ProofError(f"a module for {this_system()}", reasons, text, "Export one: --to native")
            raise ProofError(
                "generated C, Verilog, .wasm, .tflite, .onnx, .edge or a compiled extension", "no file that can run",
                text, "Export it again: edgewright export",
            )  # fmt: skip
    return findings


def _record(name: str, content: bytes, why: str = "", same: str = "") -> FileRecord:
    return FileRecord(
        name=name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), not_proven=why, same=same
    )


def _not_for_here(folder: Path) -> dict[Path, str]:
    """Return the modules of `--to native` in a folder that this machine cannot load, and why."""
    if not (folder / INDEX).is_file():
        return {}
    missing, here = {}, this_system()
    for system, module in read_index(folder, str(folder)).modules.items():
        lacking = sorted(set(module.features) - cpu_features())
        if system != here:
            missing[folder / module.file] = f"not run: it is for {system}, and this machine is {here}"
        elif lacking:
            missing[folder / module.file] = f"not run: it needs a processor with {', '.join(lacking)}"
    return missing


def _no_form(name: str) -> str:
    if name.endswith(("_self_test.c", "_self_test.h")):
        return "the self-test of the model for a board, which runs it there"
    if name.endswith((".c", ".h")):
        return "no function that answers samples or takes a stream"
    if name.endswith((".v", ".hex")):
        return "not a network in Verilog: NAME.v beside NAME_weights.hex and NAME_factors.hex"
    return f"no engine runs {Path(name).suffix or 'such'} files" if Path(name).suffix else "no engine runs it"


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise FileTooLargeError("a file of at most 256 MiB", f"{path.stat().st_size:,} bytes", str(path))
        return path.read_bytes()
    except OSError as error:
        raise ProofError("a file that can be read", error.strerror or str(error), str(path)) from None


Files = Mapping[str, str]
Result = TypeVar("Result")
Change = Callable[[Files], Files]


def compilers(absent: list[AbsentForm]) -> Iterator[tuple[str, str, str]]:
    """Name, command and note of each C compiler that is here; the others are put to `absent`."""
    host: Any = importlib.import_module("edgewright.export.c99_host.host")
    for compiler in host.compilers():
        if not compiler.command:
            absent.append(AbsentForm(name=f"C99 by {compiler.name}", reason=f"{compiler.name} is not installed"))
            continue
        note = " ".join([f"{compiler.name} {compiler.version}".rstrip(), *host.FLAGS])
        yield compiler.name, shlex.join(compiler.command), note


def replay_compiled(files: Files, function: str, command: str, rows: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """Call `function(row, out)` of compiled C with each row; what it keeps in static memory stays from row to row.

    Args:
        files: C with the function.
        function: its name.
        command: of the compiler.
        rows: contiguous, one row a call.
        size: bytes that a call writes.

    Returns:
        The bytes, shape (rows, size).
    """
    host = importlib.import_module("edgewright.export.c99_host.host")

    def called(library: ctypes.CDLL) -> NDArray[np.uint8]:
        outputs = np.zeros((len(rows), size), np.uint8)
        for row, out in zip(rows, outputs, strict=True):
            library[function](ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(out.ctypes.data))
        return outputs

    with tempfile.TemporaryDirectory(prefix="edgewright-replay-") as folder:
        library = ctypes.CDLL(str(host.compile_c99(files, Path(folder), compiler=command, taps=False)))
    return in_child(partial(called, library))


def in_child(call: Callable[[], Result]) -> Result:
    """Return the result of a call of compiled C that runs in a child process; see `c99_host.apart`."""
    return importlib.import_module("edgewright.export.c99_host.host").run_apart(call)  # type: ignore[no-any-return]


def replay_emulated(files: Files, function: str, device: str, rows: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """Call `function(row, out)` on an emulated device, as `replay_compiled` does here; it stands in `FUNCTION.h`."""
    tools = importlib.import_module("edgewright.export.emulator")
    entry = tools.Entry(f"{function}.h", f"{function}(in, out);", rows[0].nbytes, size)
    outputs: NDArray[np.uint8] = tools.run_on_device(files, entry, device, rows).outputs
    return outputs


def prove_compiled(subject: StreamSubject, run: Callable[[str], tuple[Stages, Stages]]) -> ProofRecord:
    """Compare Python with the C of every compiler that is here; the subject's absent forms get the others.

    Args:
        subject: what is compared.
        run: from the command of a compiler, the stages of Python and those of its C.
    """
    absent: list[AbsentForm] = []
    forms = [StreamForm(f"C99 by {name}", partial(run, command), note) for name, command, note in compilers(absent)]
    return prove_stream(replace(subject, absent=(*subject.absent, *absent)), forms)
