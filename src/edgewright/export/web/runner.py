"""A module of `--to web` without a browser, in `wasmtime`."""

from __future__ import annotations

import importlib
import importlib.util
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_host.probe import StreamTold
from edgewright.schema.errors import InputError, MissingExtraError

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
            raise InputError("WebAssembly", str(error).splitlines()[0], where) from None
        imported = [f"{entry.module}.{entry.name}" for entry in opened.imports]
        names = [entry.name for entry in opened.exports]
        lacking = [name for name in _NEEDED if name not in names]
        if imported or lacking:
            got = f"one that imports {imported[0]}" if imported else f"one without {lacking[0]}"
            raise InputError("a module that edgewright export --to web wrote", got, where, "Export it again")
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
            raise InputError(f"{self.inputs} numbers a sample", str(rows.shape[1]), "a module of WebAssembly")
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
            raise InputError("a module with a stream", "one without", "a module of WebAssembly")
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
