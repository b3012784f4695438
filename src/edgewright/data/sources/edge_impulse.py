"""An Edge Impulse export: `info.labels` (JSON) and acquisition files in JSON or CBOR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cbor2
import msgspec
import numpy as np

from edgewright.core.errors import EdgeImpulseError, MissingFileError, RateDiffersError
from edgewright.core.input.riff import channel_names, read_wav
from edgewright.core.records.data import DataSet, Floats, Recording
from edgewright.core.toml_tables import explain
from edgewright.data.contract import SchemaConfig, Source, need_path, read_whole
from edgewright.data.labels import Mark, label_rows
from edgewright.data.tabular import TableConfig, data_set, known_columns, refuse_infinite


class EdgeImpulseConfig(SchemaConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of an Edge Impulse export; sensors, units and rate come from its files.

    Attributes:
        category: 'training', 'testing' or 'all' files.
        group_key: key of a file's metadata in info.labels that names the person or machine; the device's name is the
            group when this is 'device_name'.
    """

    category: Literal["all", "training", "testing"] = "all"
    group_key: str = ""


class _Span(msgspec.Struct):
    """A stretch of samples with a label; the end belongs to it."""

    label: str
    start: int = msgspec.field(name="startIndex")
    end: int = msgspec.field(name="endIndex")


class _Label(msgspec.Struct):
    """The label of a file: one, none, or stretches."""

    type: Literal["label", "unlabeled", "multi-label"] = "label"
    label: str = ""
    labels: list[_Span] = []


class _File(msgspec.Struct):
    """A file of the export."""

    path: str
    category: str = ""
    label: _Label = msgspec.field(default_factory=_Label)
    metadata: dict[str, str | int | float | bool | None] | None = None


class _Info(msgspec.Struct):
    """The file info.labels."""

    version: int
    files: list[_File]


class _Sensor(msgspec.Struct):
    """A channel."""

    name: str
    units: str = ""


class _Payload(msgspec.Struct):
    """What a device measured; a single sensor may give plain numbers instead of rows."""

    interval_ms: float
    sensors: list[_Sensor]
    values: Any
    device_name: str = ""


class _Acquisition(msgspec.Struct):
    """An acquisition file; its signature is not checked."""

    payload: _Payload


class _Read(msgspec.Struct):
    """A file's samples."""

    values: Floats
    sensors: tuple[_Sensor, ...]
    rate: float
    device: str = ""


def load(config: EdgeImpulseConfig, seed: int) -> DataSet:
    """Read the export; the seed is not used."""
    root = need_path(config.path, "a folder with an Edge Impulse export", Path.is_dir)
    files = [f for f in _files(root) if config.category in ("all", f.category)]
    if not files:
        raise EdgeImpulseError(f"files of the category {config.category!r}", "none", config.path)
    reads = [_read(root / file.path, file.path) for file in files]
    for file, read in zip(files, reads, strict=True):
        _same(files[0].path, reads[0], file.path, read)
    recordings = [_recording(file, read, config) for file, read in zip(files, reads, strict=True)]
    sensors, rate = reads[0].sensors, config.rate or reads[0].rate
    known_columns([s.name for s in sensors], units=config.units, ranges=config.ranges)
    # Edge Impulse writes N/A for no unit.
    units = {s.name: "" if s.units.upper() == "N/A" else s.units for s in sensors} | config.units
    labelled = any(r.target is not None for r in recordings)
    grouped = all(r.groups is not None for r in recordings)
    return data_set(
        recordings,
        [s.name for s in sensors],
        TableConfig(path=config.path, units=units, ranges=config.ranges, rate=rate),
        name=config.path,
        target_name="label" if labelled else "",
        group_name=config.group_key if grouped else "",
    )


def _files(root: Path) -> list[_File]:
    """Return the files info.labels lists; without one every acquisition file, labelled by the start of its name."""
    info = next((p for p in (root / "info.labels", root / "training" / "info.labels") if p.is_file()), None)
    if info is not None:
        table = _json(read_whole(info, info.name), info.name)
        try:
            listed = msgspec.convert(table, _Info).files
        except msgspec.ValidationError as error:
            raise explain(error, table, _Info, info.name) from error
        base = info.parent.relative_to(root)
        for file in listed:
            if Path(file.path).is_absolute() or ".." in Path(file.path).parts:
                raise EdgeImpulseError("a path inside the export", repr(file.path), info.name)
        return [msgspec.structs.replace(f, path=(base / f.path).as_posix()) for f in listed]
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in (".json", ".cbor"))
    if not paths:
        raise EdgeImpulseError("info.labels, or .json and .cbor files", "none", str(root))
    return [
        _File(
            path=p.relative_to(root).as_posix(),
            category=p.parent.name if p.parent.name in ("training", "testing") else "",
            label=_Label(label=p.name.split(".")[0]),
        )
        for p in paths
    ]


def _read(path: Path, where: str) -> _Read:
    """One acquisition file, or a WAV file of the export."""
    if not path.is_file():
        raise MissingFileError("the file that info.labels lists", "no such file", where)
    data = read_whole(path, where)
    if path.suffix.lower() == ".wav":
        sound = read_wav(data, where)
        names = channel_names(sound.values.shape[1])
        return _Read(values=sound.values, sensors=tuple(_Sensor(n) for n in names), rate=float(sound.rate))
    table = _cbor(data, where) if path.suffix.lower() == ".cbor" else _json(data, where)
    try:
        payload = msgspec.convert(table, _Acquisition).payload
    except msgspec.ValidationError as error:
        raise explain(error, table, _Acquisition, where) from error
    if not payload.interval_ms > 0 or not payload.sensors:
        raise EdgeImpulseError("an interval above 0 ms and at least one sensor", f"{payload.interval_ms:g} ms", where)
    values = _matrix(payload.values, len(payload.sensors), where)
    refuse_infinite(values, [s.name for s in payload.sensors], lambda row: f"{where} values[{row}]")
    return _Read(
        values=values, sensors=tuple(payload.sensors), rate=1000.0 / payload.interval_ms, device=payload.device_name
    )


def _matrix(values: Any, sensors: int, where: str) -> Floats:  # noqa: ANN401 - as the file gave it
    """Return values as rows, each with a number for every sensor."""
    if not isinstance(values, Sequence) or isinstance(values, str | bytes) or not len(values):
        raise EdgeImpulseError("a list of rows in payload.values", type(values).__name__, where)
    rows = [row if isinstance(row, list | tuple) else [row] for row in values]
    for index, row in enumerate(rows):
        if len(row) != sensors:
            raise EdgeImpulseError(f"{sensors} values, one for each sensor", f"{len(row)}", f"{where} values[{index}]")
        for value in row:
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise EdgeImpulseError("a number", repr(value)[:40], f"{where} values[{index}]")
    with np.errstate(over="ignore"):
        return np.array([[np.nan if v is None else float(v) for v in row] for row in rows], dtype=np.float32)


def _same(first: str, first_read: _Read, other: str, two: _Read) -> None:
    """Refuse another set of sensors or another rate than the first file's."""
    names = [[s.name for s in read.sensors] for read in (first_read, two)]
    if names[0] != names[1]:
        raise EdgeImpulseError(f"the sensors {', '.join(names[0])} of {first}", ", ".join(names[1]), other)
    if abs(first_read.rate - two.rate) > 1e-6 * first_read.rate:
        raise RateDiffersError(
            "recordings of one sampling rate", f"{first_read.rate:g} Hz and {two.rate:g} Hz", f"{first} and {other}"
        )


def _recording(file: _File, read: _Read, config: EdgeImpulseConfig) -> Recording:
    """Return a file with its label or labels."""
    rows = len(read.values)
    known = file.metadata or {}
    group = read.device if config.group_key == "device_name" else str(known.get(config.group_key) or "")
    recording = Recording(
        name=file.path, values=read.values, groups=np.broadcast_to(np.array(group), rows) if group else None
    )
    if file.label.type == "label" and file.label.label:
        return msgspec.structs.replace(recording, target=np.broadcast_to(np.array(file.label.label), rows))
    if file.label.type == "multi-label":
        marks = [
            Mark(label=s.label, start=str(s.start), end=str(s.end + 1), where=f"info.labels, {file.path}")
            for s in file.label.labels
        ]
        return label_rows(recording, marks, unit="samples", samples=True, rate=read.rate, origin=0.0)
    return recording


def _json(data: bytes, where: str) -> Any:  # noqa: ANN401 - any JSON
    """JSON, with the line of what is wrong."""
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        text = str(error)
        position = text.rpartition("(byte ")[2].rstrip(")")
        byte = int(position) if position.isdigit() else len(data)
        line = data[:byte].count(b"\n") + 1
        column = byte - (data.rfind(b"\n", 0, byte) + 1) + 1
        got = text.partition(" (byte")[0].removeprefix("JSON is malformed: ")
        raise EdgeImpulseError("JSON", got, f"{where} line {line}, column {column}") from error


def _cbor(data: bytes, where: str) -> Any:  # noqa: ANN401 - any CBOR
    """CBOR, whole."""
    try:
        return cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError, UnicodeDecodeError, RecursionError) as error:
        raise EdgeImpulseError("a whole CBOR file", str(error).splitlines()[0][:120], where) from error


SOURCE = Source(config=EdgeImpulseConfig, load=load)
