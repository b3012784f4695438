"""Generated C99 as a WebAssembly module without imports, by the compiler that `edgewright[web]` brings."""

from __future__ import annotations

import hashlib
import html
import importlib
import importlib.util
import json
import re
import tempfile
import time
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import CheckFailedError, ExportError, MissingExtraError, SampleShapeError
from edgewright.core.records.data import Column
from edgewright.export.c99_host.probe import StreamTold
from edgewright.export.contract import Subject
from edgewright.export.cores import need_zig, run_compiler

Files = Mapping[str, str]
MODULE = "model.wasm"
# Products and sums stay apart, as in every other C: the same bits.
_FLAGS = ("-std=c99", "-Os", "-ffp-contract=off", "-fno-math-errno", "-Wl,--strip-all")
_STREAM = "-DEDGEWRIGHT_STREAM"
# Without the system: in seconds, with most of the mathematics. With it, the first time, in a minute.
_FREE, _WHOLE = "wasm32-freestanding", "wasm32-wasi"


def compile_wasm(files: Files, name: str, *, taps: bool = False) -> bytes:
    """Compile generated C to a module that asks nothing of its host.

    Args:
        files: as `write_c99` gives them, and those of the stream where there is one.
        name: prefix of their names.
        taps: whether the stages can be seen, where it has any.

    Returns:
        The module: `export/web/module.c` says what it offers.

    Raises:
        MissingExtraError: the compiler is not installed.
        CheckFailedError: it refuses the code, or takes too long.
    """
    zig = need_zig("WebAssembly")
    stream = f"{name}_stream.h" in files
    header = files[f"{name}.h"]
    if f"{name}_context;" not in header:
        raise ExportError("generated C with a context", "none", f"{name}.h", "Export it again")
    with tempfile.TemporaryDirectory(prefix="edgewright-") as location:
        folder = Path(location)
        for file, text in {**files, "module.c": _glue(name), "expf.c": _room("expf.c")}.items():
            (folder / file).write_text(text, encoding="utf-8")
        sources = [file for file in sorted(files) if file.endswith(".c") and "_self_test" not in file]
        defines = [
            f"-DEDGEWRIGHT_INT8={int(f'#define {name.upper()}_NETWORK_INPUTS ' in header)}",
            f"-DEDGEWRIGHT_GIVEN={_given(header, name)}",
            f"-DEDGEWRIGHT_LABEL={'answer.label' if _has(header, name, 'int label;') else '-1'}",
            f"-DEDGEWRIGHT_CONFIDENCE={'answer.confidence' if _has(header, name, 'float confidence;') else '0.0f'}",
            *([_STREAM] if stream else []),
            *([f"-D{name.upper()}_TAPS"] if taps and f"{name.upper()}_STAGES" in header else []),
        ]
        library = Path(str(resources.files("ziglang"))) / "lib/libc"
        free = [f"-isystem{library / 'include' / folder_name}" for folder_name in ("wasm-wasi-musl", "generic-musl")]
        mathematics = library / "musl/src/math"
        own = [f"-I{mathematics}", "-Dhidden=", str(mathematics / "exp2f_data.c"), "expf.c"]
        command = [*zig, "cc", *_FLAGS, *defines, *sources, "module.c", *own, "-o", MODULE]
        message = run_compiler([*command, "-target", _FREE, *free, "-Wl,--no-entry"], folder)
        if "undefined symbol" in message:
            message = run_compiler([*command, "-target", _WHOLE, "-mexec-model=reactor"], folder)
        if message:
            raise CheckFailedError(f"ziglang could not compile the C of {name} to WebAssembly: {message}")
        return (folder / MODULE).read_bytes()


def _glue(name: str) -> str:
    return _room("module.c").replace("@@", name.upper()).replace("@", name)


def _room(file: str) -> str:
    return (resources.files("edgewright.export.web") / file).read_text(encoding="utf-8")


def _has(header: str, name: str, field: str) -> bool:
    """Return whether the answer has a field."""
    return field in header.partition(f"}} {name}_answer;")[0].rpartition("typedef struct {")[2]


def _given(header: str, name: str) -> str:
    """Return the C of one number of an answer."""
    for field in ("probabilities", "prediction"):
        if _has(header, name, f"float {field}["):
            return f"answer.{field}[i]"
    return "answer.prediction"


_WORD = 4
# Answers timed together, and how many times that.
_TIMES, _PARTS = 50, 10
_RESERVED_BYTES = 2**24
_NEEDED = ("memory", "inputs", "outputs", "int8", "input", "output", "predict", "label", "confidence", "repeat")


def need_wasmtime() -> Any:  # noqa: ANN401 - a module
    """Return the engine of WebAssembly.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("wasmtime") is None:
        raise MissingExtraError("web", "wasmtime, which runs WebAssembly,")
    return importlib.import_module("wasmtime")


class WasmModel:
    """A compiled module, opened.

    Args:
        module: its bytes.

    Raises:
        MissingExtraError: `wasmtime` is not installed.
        InputError: bytes that are no module, or one that is none of ours.
    """

    def __init__(self, module: bytes) -> None:
        wasmtime = need_wasmtime()
        where = "a module of WebAssembly"
        try:
            settings = wasmtime.Config()
            # Its own are 4 GiB of addresses and 2 GiB to grow, more than a limit of virtual memory leaves.
            settings.memory_reservation, settings.memory_reservation_for_growth = _RESERVED_BYTES, _RESERVED_BYTES
            self._store = wasmtime.Store(wasmtime.Engine(settings))
            opened = wasmtime.Module(self._store.engine, module)
        except wasmtime.WasmtimeError as error:
            raise ExportError("WebAssembly", str(error).splitlines()[0], where) from None
        imported = [f"{entry.module}.{entry.name}" for entry in opened.imports]
        names = [entry.name for entry in opened.exports]
        lacking = [name for name in _NEEDED if name not in names]
        if imported or lacking:
            got = f"one that imports {imported[0]}" if imported else f"one without {lacking[0]}"
            raise ExportError("a module that edgewright export --to web wrote", got, where, "Export it again")
        self._exports: Any = wasmtime.Instance(self._store, opened, []).exports(self._store)
        if "_initialize" in names:
            self._call("_initialize")
        self.inputs, self.outputs = self._call("inputs"), self._call("outputs")
        self.numbers = "int8" if self._call("int8") else "float"
        count = self._call("stages") if "stages" in names else 0
        self.stages = tuple(self._text(self._call("stage_name", index)) for index in range(count))
        self.streams = "push" in names
        self._classes = "means" in names

    def predict(self, x: NDArray[np.float32]) -> tuple[NDArray[np.uint32], dict[str, NDArray[Any]]]:
        """Return flags and everything else that samples of shape (n, ...) give, by name; stages where it shows them.

        Raises:
            InputError: for samples of another size.
        """
        rows = np.ascontiguousarray(x, np.float32).reshape(len(x), -1)
        if rows.shape[1] != self.inputs:
            raise SampleShapeError(f"{self.inputs} numbers a sample", str(rows.shape[1]), "a module of WebAssembly")
        into = self._floats(self._call("input"), self.inputs)
        out = self._floats(self._call("output"), self.outputs)
        predict, label, confidence = (self._function(name) for name in ("predict", "label", "confidence"))
        flags, labels = np.zeros(len(rows), np.uint32), np.zeros(len(rows), np.int64)
        sure, given = np.zeros(len(rows), np.float32), np.zeros((len(rows), self.outputs), np.float32)
        seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self.stages}
        for i, row in enumerate(rows):
            into[:] = row
            flags[i] = predict() & 0xFFFFFFFF
            given[i], labels[i], sure[i] = out, label(), confidence()
            for index, name in enumerate(self.stages):
                at, count = self._call("stage", index), self._call("stage_length", index)
                seen[name].append(self._floats(at, count).copy())
        stages = {name: np.stack(values) for name, values in seen.items() if values}
        return flags, {"given": given, "label": labels, "confidence": sure, **stages}

    def run(self, rows: NDArray[np.float32], lost: NDArray[Any]) -> StreamTold:
        """Push rows from the beginning, as `CStream.run` does; a module has no detectors, which ask for times.

        Args:
            rows: shape (n, channels).
            lost: rows that are missing before each, shape (n,); 0 for none.

        Raises:
            InputError: a module without a stream.
        """
        if not self.streams:
            raise ExportError("a module with a stream", "one without", "a module of WebAssembly")
        into = self._floats(self._call("sample"), rows.shape[1])
        # Of two classes a model may give one probability; the stream averages both.
        classes = max(self.outputs, 2) if self._classes else 0
        means = np.zeros((len(rows), classes), np.float32)
        average = self._floats(self._call("means"), classes) if classes else means
        self._call("start")
        push, events = self._function("push"), []
        exported = {"row": "row", "kind": "kind", "flags": "flags"}
        exported |= {"label": "label", "confidence": "value"} if self._classes else {"value": "value"}
        read = {field: self._function(f"event_{name}") for field, name in exported.items()}
        for i, row in enumerate(np.ascontiguousarray(rows, np.float32)):
            if lost[i] > 0:
                self._call("gap", int(lost[i]))
            into[:] = row
            if push():
                fields = {field: function() for field, function in read.items()}
                fields["flags"] &= 0xFFFFFFFF
                events.append((i, fields))
            if classes:
                means[i] = average
        return StreamTold(events, means, np.zeros((len(rows), 0)))

    def cost_us(self, row: NDArray[np.float32]) -> float:
        """Return microseconds of one answer for a row of shape (inputs,), the least of several parts."""
        self._floats(self._call("input"), self.inputs)[:] = row
        repeat, times = self._function("repeat"), []
        for _ in range(_PARTS):
            start = time.perf_counter()
            repeat(_TIMES)
            times.append((time.perf_counter() - start) / _TIMES)
        return 1e6 * min(times)

    def _function(self, name: str) -> Any:  # noqa: ANN401 - of any type
        function, store = self._exports[name], self._store
        return lambda *given: function(store, *given)

    def _call(self, name: str, *given: int) -> Any:  # noqa: ANN401 - of any type
        return self._function(name)(*given)

    def _floats(self, at: int, count: int) -> NDArray[np.float32]:
        memory = self._exports["memory"].get_buffer_ptr(self._store)
        return np.frombuffer(memory, np.uint8)[at : at + count * _WORD].view(np.float32)

    def _text(self, at: int) -> str:
        return bytes(self._exports["memory"].read(self._store, at, at + 256)).split(b"\0")[0].decode()


# Samples a second from which one column is a sound.
_SOUND = 4000
# Fields of a form at most.
_FIELDS = 64
_QUANTITIES = {"acceleration": "acc(?:el(?:eration|erometer)?)?", "rotation": "gyro(?:scope)?|rot(?:ation)?"}
# A column that is called by its axis alone is known by its unit.
_UNITS = {"acceleration": ("g", "m/s²", "m/s2", "m/s^2"), "rotation": ("rad/s", "deg/s", "°/s")}
_PLAIN = ("app.js", "model.js", "sensors.js", "style.css", "icon.svg")
_SOUNDS = ("microphone.js", "samples.js")


def app_files(subject: Subject, module: bytes) -> dict[str, bytes]:
    """Return every file of the app by name, the module among them.

    Args:
        subject: what is exported.
        module: `compile_wasm` of its C.
    """
    about = about_of(subject)
    files = {name: template(name).encode() for name in _PLAIN}
    if about["sensor"] == "microphone":
        files |= {name: template(name).encode() for name in _SOUNDS}
    title = html.escape(subject.name)
    files["index.html"] = template("index.html").replace("@TITLE@", title).encode()
    files["manifest.webmanifest"] = _json(
        {
            "name": subject.name, "short_name": subject.name[:12], "start_url": "./", "display": "standalone",
            "background_color": "#ffffff", "theme_color": "#0b5cad",
            "icons": [{"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"}],
        }
    )  # fmt: skip
    files["model.json"] = _json(about)
    files[MODULE] = module
    digest = hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()[:16]
    worker = template("worker.js").replace("@VERSION@", f"{subject.word} {digest}")
    files["worker.js"] = worker.replace("@FILES@", json.dumps(["./", *sorted(files)])).encode()
    return files


def about_of(subject: Subject) -> dict[str, Any]:
    """Return what the app must know of a model: columns, classes, rate, and the sensor that gives its rows."""
    stream, shape = subject.stream, subject.graph.inputs[0].shape
    rate = stream.window.rate if stream is not None and stream.window is not None else None
    columns = list(subject.columns) if stream is not None or len(shape) == 1 else []
    if not columns and len(shape) == 1:
        columns = [Column(name=str(i)) for i in range(shape[0])]
    seen = [sensed(column) for column in columns]
    # A phone has one sensor of a kind: columns of two places of the body are none of it.
    motion = bool(rate) and bool(seen) and None not in seen and len(set(seen)) == len(seen)
    sound = rate is not None and rate >= _SOUND and len(columns) == 1
    return {
        "name": subject.name,
        "labels": list(subject.graph.labels),
        "columns": [{"name": c.name, "unit": c.unit, "minimum": c.minimum, "maximum": c.maximum} for c in columns],
        "rate": rate,
        "stream": stream is not None,
        "rows": len(shape) == 1 and len(columns) <= _FIELDS,
        "sensor": "motion" if motion else "microphone" if sound else "",
        "motion": seen if motion else [],
    }


def sensed(column: Column) -> tuple[str, str, str] | None:
    """Return quantity, axis and unit of a column that a phone's motion sensors give; None for another one."""
    unit = column.unit.lower()
    for quantity, words in _QUANTITIES.items():
        named = f"(?:{words}){'?' if unit in _UNITS[quantity] else ''}"
        if match := re.fullmatch(rf"(?:\w+_)?{named}[_ .-]?([xyz])", column.name.lower()):
            short = "g" if quantity == "acceleration" and unit == "g" else "rad" if unit.startswith("rad") else unit
            return quantity, match[1], short
    return None


def template(name: str) -> str:
    """Return a file of the app as it lies in `export/web/app`."""
    return (resources.files("edgewright.export.web") / "app" / name).read_text(encoding="utf-8")


def _json(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
