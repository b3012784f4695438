"""Generated C that remembers, driven over many rows, values or texts at once: drivers that are compiled with it."""

from __future__ import annotations

import ctypes
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ExportError, GeneratedCodeFailedError
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_host import host
from edgewright.export.c99_host.host import FLAGS, CModel, run_apart

Files = Mapping[str, str]
Array = NDArray[Any]
_FIELD = re.compile(r"^\s*[\w ]+?(\w+)(?:\[\w+\])?;", re.MULTILINE)


@dataclass(frozen=True)
class StreamTold:
    """What a stream in C gave for n rows.

    Attributes:
        events: one entry an event: its row among those that were pushed, and its fields by name.
        means: averaged probabilities after each row, (n, classes); (n, 0) for a model that gives a number.
        scores: of each detector at each row, (n, detectors), NaN where it judged nothing.
    """

    events: list[tuple[int, dict[str, float]]]
    means: NDArray[np.float32]
    scores: NDArray[np.float64]


class CStream:
    """A compiled package: its model alone, and the stream around it.

    Args:
        files: as `--to c99` writes them.
        name: prefix of their names.
        detectors: prefixes of the detectors', in their order.
        classes: probabilities of an answer; 0 for a number.
        compiler: its command.

    Raises:
        InputError: the compiler refuses the code.
    """

    def __init__(self, files: Files, name: str, detectors: Sequence[str], classes: int, compiler: str) -> None:
        header = files[f"{name}_stream.h"]
        self.fields = struct_fields(header, f"{name}_event")
        self._classes, self._detectors = classes, len(detectors)
        text = _stream_driver(header, name, detectors, classes, self.fields)
        defines = [f"-D{prefix.upper()}_DETECT_TAPS" for prefix in detectors]
        with compiled({**files, "probe.c": text}, compiler, [f"-D{name.upper()}_TAPS", *defines]) as path:
            self.model = CModel(path, files[f"{name}.h"], name)
            self._run = ctypes.CDLL(str(path)).probe_stream

    def run(self, rows: Array, lost: Array, times: Array) -> StreamTold:
        """Push rows from the beginning.

        Args:
            rows: shape (n, channels), float32.
            lost: rows that are missing before each, shape (n,); 0 for none.
            times: of each row in seconds since 1970, shape (n,).

        Raises:
            StoppedError: the code crashed.
        """
        return run_apart(lambda: self._pushed(rows, lost, times))

    def _pushed(self, rows: Array, lost: Array, times: Array) -> StreamTold:
        n, width = len(rows), len(self.fields) + 1
        maximum = n * (1 + self._detectors)
        text, means = np.zeros((maximum, width)), np.zeros((n, self._classes), np.float32)
        scores = np.full((n, max(1, self._detectors)), np.nan)
        count = self._run(
            *_given(rows, lost, times), pointer(text), ctypes.c_int(maximum), pointer(means), pointer(scores)
        )
        if count > maximum:
            raise ExportError(f"at most {maximum} events of {n} rows", f"{count}", "the stream in C")
        events = [(int(record[0]), dict(zip(self.fields, record[1:].tolist(), strict=True))) for record in text[:count]]
        return StreamTold(events, means, scores[:, : self._detectors])


class CDetector:
    """A compiled detector of rows, or of the windows that it cuts of them.

    Args:
        files: as `write_detector_c99` gives them.
        name: prefix of their names.
        compiler: its command.

    Raises:
        InputError: the compiler refuses the code.
    """

    def __init__(self, files: Files, name: str, compiler: str) -> None:
        header = files[f"{name}_detect.h"]
        fill = {
            "TIME": f"{name}_detect_time(&context, times[i]);" if f"{name}_detect_time(" in header else "(void)times;",
            "GAP": f"if (lost[i] > 0) {{ {name}_detect_gap(&context); }}"
            if f"{name}_detect_gap(" in header
            else "(void)lost;",
        }
        define = f"-D{name.upper()}_DETECT_TAPS"
        with compiled({**files, "probe.c": driver("probe_detect.c", name, **fill)}, compiler, [define]) as path:
            self._run = ctypes.CDLL(str(path)).probe_detect

    def run(self, rows: Array, lost: Array, times: Array) -> NDArray[np.float64]:
        """Score and anomalies of rows from the beginning, as `CStream.run` takes them.

        Returns:
            Shape (n, 4): score, NaN where nothing was judged; whether an anomaly begins; its channel; its score.
        """
        return run_apart(lambda: self._pushed(rows, lost, times))

    def _pushed(self, rows: Array, lost: Array, times: Array) -> NDArray[np.float64]:
        text = np.zeros((len(rows), 4))
        self._run(*_given(rows, lost, times), pointer(text))
        return text


def struct_fields(header: str, name: str) -> tuple[str, ...]:
    """Return names of the members of a structure, in order.

    Raises:
        InputError: the header has none of this name.
    """
    end = header.find(f"}} {name};")
    begin = header.rfind("typedef struct {", 0, max(end, 0))
    if begin < 0:
        raise GeneratedCodeFailedError(f"a structure {name}", "none", "the header in C")
    body = re.sub(r"/\*.*?\*/", "", header[begin + len("typedef struct {") : end], flags=re.DOTALL)
    return tuple(member[1] for member in _FIELD.finditer(body))


def _stream_driver(header: str, name: str, detectors: Sequence[str], classes: int, fields: Sequence[str]) -> str:
    declared = [f"extern float {p}_detect_judged;\nextern uint32_t {p}_detect_judgements;" for p in detectors]
    before = [f"static uint32_t seen{index};" for index in range(len(detectors))]
    scores = [
        f"scores[(size_t)i * {len(detectors)} + {index}] = {p}_detect_judgements != seen{index} "
        f"? (double){p}_detect_judged : scores[(size_t)i * {len(detectors)} + {index}]; "
        f"seen{index} = {p}_detect_judgements;"
        for index, p in enumerate(detectors)
    ]
    means = f"memcpy(means + (size_t)i * {classes}, {name}_means(&context), {classes}u * sizeof(float));"
    fill = {
        "DECLARED": "\n".join([*declared, *before]),
        "TIME": f"{name}_time(&context, times[i]);" if f"{name}_time(" in header else "(void)times;",
        "NEXT": f"{name}_next(&context, &event)" if f"{name}_next(" in header else "0",
        "FIELDS": str(len(fields) + 1),
        "COPY": " ".join(f"out[k++] = (double)event.{field};" for field in fields),
        "MEANS": means if classes else "(void)means;",
        "SCORES": " ".join(scores) or "(void)scores;",
    }
    return driver("probe_stream.c", name, **fill)


def driver(file: str, name: str, **holes: object) -> str:
    """Return a driver of a file for code with this prefix of names."""
    text = filled(parts(__file__, file)["probe"], **holes)
    return text.replace("@@", name.upper()).replace("@", name)


@contextmanager
def compiled(files: Files, compiler: str, defines: Sequence[str]) -> Iterator[Path]:
    """Provide the shared object, as long as it takes to open it.

    Raises:
        InputError: the compiler refuses the code, or it lacks a function.
    """
    with tempfile.TemporaryDirectory(prefix="edgewright-") as folder:
        path = host.compile_c99(files, Path(folder), flags=(*FLAGS, *defines), compiler=compiler, taps=False)
        try:
            yield path
        except OSError as error:
            text = str(error).rpartition(": ")[2]
            raise GeneratedCodeFailedError("C with all of its functions", text, compiler, "Export it again") from None


def _given(rows: Array, lost: Array, times: Array) -> tuple[Any, ...]:
    kept = (
        np.ascontiguousarray(rows, np.float32),
        np.ascontiguousarray(lost, np.int64),
        np.ascontiguousarray(np.round(np.asarray(times, np.float64) * 1e6), np.int64),
    )
    return (*(pointer(array) for array in kept), ctypes.c_int(len(rows)))


def pointer(array: Array) -> ctypes.c_void_p:
    """Where an array lies, as C takes it."""
    address = ctypes.c_void_p(array.ctypes.data)
    address.array = array  # type: ignore[attr-defined] # the memory lives as long as the pointer
    return address


def forecasts(
    files: Files, name: str, compiler: str, values: NDArray[np.float64], ahead: int, levels: int
) -> NDArray[np.float64]:
    """Return what a forecaster in C foretells after each of n values, from the beginning.

    Args:
        files: as `write_forecaster_c99` gives them.
        name: prefix of their names.
        compiler: its command.
        values: shape (n,), NaN where missing.
        ahead: rows that are foretold.
        levels: intervals of a row in C.

    Returns:
        Shape (n, 1 + ahead * (1 + 2 levels)): rows without a value, and of each row ahead middle, lows and highs.

    Raises:
        InputError: the compiler refuses the code, or the code so many rows.
    """
    text = driver("probe_forecast.c", name)
    with compiled({**files, "probe.c": text}, compiler, ()) as path:
        run = ctypes.CDLL(str(path)).probe_forecast
    given = np.ascontiguousarray(values, np.float64)

    def pushed() -> tuple[int, NDArray[np.float64]]:
        forecast = np.zeros((len(given), 1 + ahead * (1 + 2 * levels)))
        return run(pointer(given), ctypes.c_int(len(given)), ctypes.c_int(ahead), pointer(forecast)), forecast

    done, forecast = run_apart(pushed)
    if done != len(given):
        raise ExportError(f"{ahead} rows ahead", f"a refusal at row {done}", "the forecaster in C")
    return forecast


# Number of a slot's name, begin and end in bytes, who found it, and its value.
SlotFields = tuple[int, int, int, int, str | float | None]


@dataclass(frozen=True)
class Understood:
    """What a language model in C says of an utterance.

    Attributes:
        status: 0, or why it is none.
        intent: number, -1 out of scope; `nearest` whether in scope or not.
        confidence: of the nearest.
        grams: how many hashed n-grams there are, and the sum of their rows modulo 2^32.
        logits: shape (intents,).
        slots: number of its name, begin and end in bytes, who found it, and its value.
    """

    status: int
    intent: int
    nearest: int
    confidence: float
    grams: tuple[int, int]
    logits: NDArray[np.int32]
    slots: tuple[SlotFields, ...]


class CLanguage:
    """A compiled language model.

    Args:
        files: as `write_language_c99` gives them.
        name: prefix of their names.
        intents: how many it knows.
        maximum: slots of an utterance.
        compiler: its command.

    Raises:
        InputError: the compiler refuses the code.
    """

    def __init__(self, files: Files, name: str, intents: int, maximum: int, compiler: str) -> None:
        text = driver("probe_language.c", name)
        with compiled({**files, "probe.c": text}, compiler, [f"-D{name.upper()}_TAPS"]) as path:
            self._run = ctypes.CDLL(str(path)).probe_language
        self._intents, self._slots = intents, (_Slot * maximum)()

    def parse(self, text: str, today: int) -> Understood:
        """Return what it says of an utterance; `today` counts days since 1970-01-01."""
        data, values, logits = text.encode(), np.zeros(6), np.zeros(self._intents, np.int32)
        count = self._run(
            data, ctypes.c_size_t(len(data)), ctypes.c_int32(today), pointer(values), pointer(logits), self._slots
        )
        slots = tuple(_slot_of(slot) for slot in self._slots[: max(0, count)])
        status, intent, nearest, confidence, *grams = values.tolist()
        return Understood(
            int(status), int(intent), int(nearest), confidence, (int(grams[0]), int(grams[1])), logits, slots
        )  # fmt: skip


class _Slot(ctypes.Structure):
    _fields_ = (("numbers", ctypes.c_double * 6), ("said", ctypes.c_char_p))


def _slot_of(slot: _Slot) -> SlotFields:
    name, begin, end, by, kind, number = slot.numbers
    # 1 is a number, by the header.
    value = slot.said.decode() if slot.said is not None else number if kind == 1 else None
    return int(name), int(begin), int(end), int(by), value
