"""Heartbeats: the MIT-BIH arrhythmia database and ECG200."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import beat_columns as columns
import beat_families as families
import beat_habits as habits
from beat_peaks import find_peaks
from edgewright.core.array_files import read_npz
from edgewright.core.errors import DataError, InputError
from edgewright.core.records.data import Column, DataSet, Floats, Labels, Recording
from edgewright.data import set_files as files
from edgewright.data.contract import Source, SourceConfig
from edgewright.data.noises import draw_noise, scaled
from edgewright.data.set_files import read_bytes, read_text

# Codes of beats, annot(5), and their AAMI EC57 class; the other codes mark rhythm, noise and waves.
AAMI = {
    1: "N", 2: "N", 3: "N", 34: "N", 11: "N",  # normal, bundle branch blocks, atrial and nodal escape
    8: "S", 4: "S", 7: "S", 9: "S",  # premature above the ventricles
    5: "V", 10: "V",  # premature in a ventricle, ventricular escape
    6: "F",  # fusion of ventricular and normal
    12: "Q", 38: "Q", 13: "Q",  # paced, fusion of paced and normal, unclassifiable
}  # fmt: skip
_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63


@dataclass(frozen=True)
class Header:
    """What a header says of a record.

    Attributes:
        rate: samples a second.
        samples: of each signal.
        leads: names of the signals.
    """

    rate: float
    samples: int
    leads: tuple[str, ...]


def read_header(path: Path) -> Header:
    """Header of a record of two signals in format 212.

    Raises:
        InputError: for another form.
    """
    lines = [line.split() for line in read_text(path).splitlines() if line.strip() and not line.startswith("#")]
    try:
        _, signals, rate, samples = lines[0][:4]
        forms = {line[1] for line in lines[1 : 1 + int(signals)]}
        header = Header(float(rate), int(samples), tuple(line[-1] for line in lines[1 : 1 + int(signals)]))
    except (ValueError, IndexError):
        raise InputError("a header of PhysioNet", "something else", str(path), "Fetch it again") from None
    if forms != {"212"} or len(header.leads) != 2:
        raise InputError("two signals of format 212", f"{len(header.leads)} of {', '.join(sorted(forms))}", str(path))
    return header


def read_212(path: Path, samples: int) -> NDArray[np.int16]:
    """Two signals of 12-bit two's complement, three bytes for a pair, shape (samples, 2).

    Raises:
        InputError: when the file is shorter or longer than the header says.
    """
    raw = np.frombuffer(read_bytes(path), dtype=np.uint8)
    if len(raw) != 3 * samples:
        raise InputError(f"{3 * samples} bytes", str(len(raw)), str(path), "Fetch it again")
    low, middle, high = raw.reshape(-1, 3).astype(np.int16).T
    pair = np.stack([low | (middle & 0x0F) << 8, high | (middle & 0xF0) << 4], axis=1)
    return np.where(pair > 2047, pair - 4096, pair).astype(np.int16)


def read_annotations(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sample and codes of a record's annotations, each of shape (annotations,).

    Words of 16 bit: the upper 6 the code, the lower 10 the samples since the annotation before. Code 59 is followed
    by a distance of 32 bit, upper half first; code 63 by that many bytes of text, padded to an even number.

    Raises:
        InputError: when the file ends within an annotation.
    """
    raw = read_bytes(path)
    words = np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<u2").astype(np.int64)
    samples, codes, at, now = [], [], 0, 0
    try:
        while words[at] != 0:
            code, distance = int(words[at] >> 10), int(words[at] & 0x3FF)
            at += 1
            if code == _SKIP:
                far = int(words[at] << 16 | words[at + 1])
                now += far - (1 << 32) if far >= 1 << 31 else far
                at += 2
            elif code == _AUX:
                at += (distance + 1) // 2
            elif code not in (_NUM, _SUB, _CHN):
                now += distance
                samples.append(now)
                codes.append(code)
    except IndexError:
        raise InputError("annotations up to an end mark", "the end of the file", str(path), "Fetch it again") from None
    return np.array(samples, dtype=np.int64), np.array(codes, dtype=np.int64)


BEFORE, AFTER, RATE = 90, 110, 360.0
_UNITS_PER_MV, _BASELINE = 200.0, 1024.0
CLASSES = np.array(["N", "S", "V", "F", "Q"])
# Seconds within which a peak is that of an annotated beat (AAMI EC57).
_SAME_BEAT = 0.15
_PACED = ("102", "104", "107", "217")
# The customary split between people (de Chazal 2004): DS1 trains, DS2 tests.
DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip


class MitdbConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MIT-BIH beats.

    Attributes:
        part: 'DS1' or 'train' (22 records), 'DS2' or 'test' (the 22 others) or 'both', as far as the folder has them.
        form: 'table': a beat is a row of 200 columns; 'windows': a beat is a session of 200 rows of one column, for
            networks that work along time; 'signal': all rows of the lead, as a sensor gives them, each with the class
            of the nearest beat. Plain copies hold no signal.
        intervals: of a table, three more columns: seconds from the R peak before, and that interval and the next one
            as multiples of the mean of the last ten. At the ends of a record the nearest interval stands in.
        changes: of a table, each beat without its own mean, and as many columns more: the beat less the running mean of
            the beats before it in its record; both as multiples of the size of that mean.
        habits: of a table, 31 columns more: logarithms of intervals, how irregular they were lately, and how far the
            intervals and the shape of a beat are from those of the beats before it, as multiples of their spread. The
            interval to the next R peak is one of them, so that an answer is one beat late.
        families: of a table, 14 columns more: alike beats before it form families; how far a beat is from its own
            family and from the largest one, how large both are, and the mean rhythm of its family.
        medians: of a table, 18 columns more: intervals against the median of the last 20 and 80, as multiples of their
            median deviation, and as ranks among them.
        shape: for a table, false omits the samples of a beat and their changes.
        average: of a table, means of so many neighbouring samples of a beat take their place; it divides 200.
        peaks: of a table, 'annotated' by the database's doctors, or 'found' in the signal as a device has to, where it
            is there. A beat that is found takes the class of one annotated within 150 ms, else none.
        snr: decibels of the signal to noise of electrodes that is added to it, where peaks are found or the form is
            'signal'; none when left out.
    """

    part: Literal["DS1", "DS2", "train", "test", "both"] = "both"
    form: Literal["table", "windows", "signal"] = "table"
    intervals: bool = False
    changes: bool = False
    habits: bool = False
    families: bool = False
    medians: bool = False
    shape: bool = True
    average: Literal[1, 2, 4, 5, 8, 10, 20] = 1
    peaks: Literal["annotated", "found"] = "annotated"
    snr: float | None = None


@dataclass(frozen=True)
class Beats:
    """Beats of a record.

    Attributes:
        record: its name.
        values: shape (n, 200).
        labels: their classes.
        peaks: samples of their R peaks; None where not kept.
        begins: sample from which time counts: the first annotated beat; None for the first of `peaks`.
    """

    record: str
    values: NDArray[np.int16]
    labels: Labels
    peaks: NDArray[np.int64] | None
    begins: int | None = None


def _copied(path: Path) -> Iterator[Beats]:
    try:
        archive = read_npz(path, str(path))
    except OSError as error:
        raise DataError("arrays x, y, record", str(error), str(path), "Fetch it again") from None
    if absent := [key for key in ("x", "y", "record") if key not in archive]:
        raise DataError("arrays x, y, record", f"no {absent[0]}", str(path), "Fetch it again")
    x, y, record = (archive[key] for key in ("x", "y", "record"))
    sample = archive["sample"].astype(np.int64) if "sample" in archive else None
    if y.dtype.kind not in "iu" or not len(y) or y.min() < 0 or y.max() >= len(CLASSES):
        raise InputError(f"classes from 0 to {len(CLASSES) - 1}", f"{y.dtype}", f"{path}, y", "Fetch it again")
    for name in np.unique(record):
        mine = record == name
        yield Beats(str(name), x[mine], CLASSES[y[mine]], None if sample is None else sample[mine])


def _raw(path: Path) -> tuple[NDArray[np.int16], NDArray[np.int64], Labels]:
    """Return the signal of the lead MLII, and the samples and classes of its beats."""
    header = read_header(path)
    if "MLII" not in header.leads:
        raise InputError("a lead MLII", ", ".join(header.leads), str(path))
    folder, name = path.parent, path.stem
    # Record 114 has its leads the other way round: the lead is found by its name.
    signal = read_212(files.need_files(folder, f"{name}.dat")[0], header.samples)[:, header.leads.index("MLII")]
    at, codes = read_annotations(folder / f"{name}.atr")
    beat = np.isin(codes, list(AAMI)) & (at >= BEFORE) & (at + AFTER <= header.samples)
    return signal, at[beat], np.array([AAMI[int(c)] for c in codes[beat]])


def _original(path: Path) -> Beats:
    signal, at, labels = _raw(path)
    windows = np.lib.stride_tricks.sliding_window_view(signal, BEFORE + AFTER)[at - BEFORE]
    return Beats(path.stem, windows, labels, at)


def _beats_in_signal(path: Path, snr: float | None) -> Beats:
    """Return the beats that a device finds in the signal of a record, to which noise may be added."""
    signal, at, labels = _raw(path)
    signal = _noisy(signal, path.stem, snr)
    peaks = find_peaks(_millivolts(signal), RATE)
    peaks = peaks[(peaks >= BEFORE) & (peaks + AFTER <= len(signal))]
    if len(peaks) < 2:
        raise InputError("two or more beats in the signal", str(len(peaks)), str(path), "Raise data.snr")
    after = np.searchsorted(at, peaks).clip(1, len(at) - 1)
    nearest = np.where(peaks - at[after - 1] <= at[after] - peaks, after - 1, after)
    known = np.abs(at[nearest] - peaks) <= _SAME_BEAT * RATE
    windows = np.lib.stride_tricks.sliding_window_view(signal, BEFORE + AFTER)[peaks - BEFORE]
    return Beats(path.stem, windows, np.where(known, labels[nearest], ""), peaks, int(at[0]))


def _noisy(signal: NDArray[np.int16], name: str, snr: float | None) -> NDArray[np.int16]:
    """Return a signal with noise of electrodes, the same in every call, within what 12 bit hold."""
    if snr is None:
        return signal
    values = signal.astype(np.float32)
    rng = np.random.default_rng([int(name), 1])
    noise = scaled(draw_noise("electrodes", values.shape, RATE, rng), values, snr)
    return np.clip(np.rint(values + noise), -2048, 2047).astype(np.int16)


def _signal(path: Path, snr: float | None) -> Recording:
    signal, at, labels = _raw(path)
    signal = _noisy(signal, path.stem, snr)
    borders = (at[1:] + at[:-1]) // 2
    return Recording(
        name=f"record-{path.stem}",
        values=_millivolts(signal)[:, None],
        target=labels[np.searchsorted(borders, np.arange(len(signal)), side="right")],
        groups=files.same(path.stem, len(signal)),
        time=(np.arange(len(signal)) - at[0]) / RATE,
    )


def _millivolts(values: NDArray[np.int16]) -> Floats:
    scaled: Floats = ((values - np.float32(_BASELINE)) / np.float32(_UNITS_PER_MV)).astype(np.float32)
    return scaled


def _records(folder: Path, part: str) -> Iterator[Beats]:
    """Every record of a part that a folder has, once, in the order of the names.

    Raises:
        InputError: no record, or two plain copies of one.
    """
    copies: dict[str, Beats] = {}
    for path in files.find_files(folder, "*.npz"):
        for beats in _copied(path):
            if beats.record in copies:
                raise InputError(f"record {beats.record} in one file .npz", "two", str(path), "Remove one of them")
            copies[beats.record] = beats
    headers = _headers(folder)
    if not copies and not headers:
        files.need_files(folder, "???.hea", "*.npz")
    for name in sorted({*copies, *headers}):
        if _of_part(name, part):
            yield copies[name] if name in copies else _original(headers[name])


def _headers(folder: Path) -> dict[str, Path]:
    """Return headers of records by their names."""
    return {path.stem: path for path in files.find_files(folder, "???.hea") if path.stem not in _PACED}


def _of_part(name: str, part: str) -> bool:
    return part == "both" or (name in DS1) == (part in ("DS1", "train"))


def _seconds(beats: Beats) -> NDArray[np.float64]:
    """Return the times of R peaks.

    Raises:
        InputError: for beats whose places are not kept, or fewer than two.
    """
    if beats.peaks is None or len(beats.peaks) < 2:
        raise InputError("two or more beats with the places of their R peaks", "none", f"record {beats.record}, sample")
    seconds: NDArray[np.float64] = beats.peaks / RATE
    return seconds


def _intervals(beats: Beats) -> tuple[list[Column], Floats]:
    """Return columns and values of shape (n, 3)."""
    before, after = columns.intervals(_seconds(beats))
    own_columns = [Column(name="interval", unit="s"), Column(name="interval_share"), Column(name="next_interval_share")]
    shares = columns.shares(before, after, columns.LATELY)
    return own_columns, np.concatenate([before[:, None].astype(np.float32), shares], axis=1)


def _table(beats: Beats, values: Floats, config: MitdbConfig) -> tuple[list[Column], Floats]:
    """Return columns and values of a table of beats, shape (n, columns)."""
    own_columns, parts = _shape(values, config) if config.shape else ([], [])
    if config.intervals:
        names, intervals = _intervals(beats)
        own_columns, parts = [*own_columns, *names], [*parts, intervals]
    if config.habits:
        own_columns += [Column(name=name) for name in habits.NAMES]
        parts.append(habits.habits(columns.averaged(values, habits.AVERAGE), _seconds(beats)))
    if config.families:
        own_columns += [Column(name=name) for name in families.FAMILIES]
        parts.append(families.families(columns.averaged(values, habits.AVERAGE), _seconds(beats)))
    if config.medians:
        own_columns += [Column(name=name) for name in families.MEDIANS]
        parts.append(families.medians(_seconds(beats)))
    return own_columns, np.concatenate(parts, axis=1)


def _shape(values: Floats, config: MitdbConfig) -> tuple[list[Column], list[Floats]]:
    """Return columns and values of the samples of beats, and of their changes, shape (n, columns)."""
    starts, unit = range(-BEFORE, AFTER, config.average), "" if config.changes else "mV"
    names, samples = [Column(name=f"sample_{at}", unit=unit) for at in starts], columns.averaged(values, config.average)
    if config.changes:
        return [*names, *(Column(name=f"change_{at}") for at in starts)], [columns.compared(columns.level(samples))]
    return names, [samples]


def _time(beats: Beats) -> NDArray[np.float64] | None:
    if beats.peaks is None:
        return None
    time: NDArray[np.float64] = (beats.peaks - (beats.peaks[0] if beats.begins is None else beats.begins)) / RATE
    return time


def _mitdb_recording(beats: Beats, config: MitdbConfig) -> tuple[list[Column], Recording]:
    labels, name = beats.labels, beats.record
    values = _millivolts(beats.values)
    if config.form == "table":
        own_columns, table = _table(beats, values, config)
        return own_columns, Recording(
            name=f"record-{name}",
            values=table,
            target=labels,
            groups=files.same(name, len(values)),
            time=_time(beats),
        )
    rows = values.size
    sessions = np.repeat(np.array([f"{name}-{i}" for i in range(len(values))]), values.shape[1])
    return [Column(name="ecg", unit="mV")], Recording(
        name=f"record-{name}",
        values=values.reshape(-1, 1),
        target=np.repeat(labels, values.shape[1]),
        groups=files.same(name, rows),
        sessions=sessions,
    )


def _load_mitdb(config: MitdbConfig, folder: Path) -> DataSet:
    """MIT-BIH arrhythmia database: heartbeats of 44 people, cut out around the annotated R peak.

    Original: WFDB records `101.hea`, `101.dat`, `101.atr`. Plain copies: files `.npz` with `x` (beats, 200) in ADC
    units, `y`, `record`, `sample`. A folder may hold several files of both forms; of a record that is there twice the
    plain copy is read. A beat reaches from 90 samples before to 110 after its R peak in the lead MLII; its class is
    that of AAMI EC57. The time of a row is that of its R peak, from the first: the distance of beats can be told. The
    paced records 102, 104, 107, 217 are left out, as AAMI asks.
    """
    if not (config.shape or config.intervals or config.habits or config.families or config.medians):
        raise InputError("columns", "none", "data.shape", "Add habits, families, medians or intervals = true")
    if config.snr is not None and config.form != "signal" and config.peaks != "found":
        raise InputError("snr with peaks 'found' or form 'signal'", f"peaks {config.peaks!r}", "data.snr")
    for key in ("intervals", "changes", "habits", "families", "medians", "shape", "average", "peaks"):
        if config.form != "table" and getattr(config, key) != getattr(MitdbConfig(), key):
            raise InputError(f"{key} with form 'table'", f"form {config.form!r}", f"data.{key}")
    if config.form == "signal":
        headers = sorted(_headers(folder).items())
        lead = [Column(name="ecg", unit="mV")]
        pairs = [(lead, _signal(path, config.snr)) for name, path in headers if _of_part(name, config.part)]
    elif config.peaks == "found":
        records = sorted(_headers(folder).items())
        pairs = [
            _mitdb_recording(_beats_in_signal(path, config.snr), config)
            for name, path in records
            if _of_part(name, config.part)
        ]
    else:
        pairs = [_mitdb_recording(beats, config) for beats in _records(folder, config.part)]
    if not pairs:
        raise InputError(f"records of {config.part}", "none", str(folder))
    return DataSet(
        name="mitdb",
        columns=tuple(pairs[0][0]),
        recordings=tuple(recording for _, recording in pairs),
        rate=None if config.form == "table" else RATE,
        target_name="beat",
        group_name="record",
    )


_VALUES = 96


def _cases(path: Path) -> Iterator[tuple[NDArray[np.float64], str]]:
    if ".tsv" in path.name:
        for row in files.table_by_rows(path, 1 + _VALUES):
            yield row[1:], str(int(row[0]))
    else:
        for channels, label in files.read_ts(path):
            yield channels[0], str(int(float(label)))


def _load_ecg200(config: SourceConfig, folder: Path) -> DataSet:
    """ECG200: electrical activity of one heartbeat a case, 96 values, normal or not.

    Files `ECG200_TRAIN` and `ECG200_TEST` as `.tsv` (class first, then the values by tabs) or `.ts`. The archive writes
    the classes as -1 and 1, some copies as 0 and 1; they are called '-1' and '1' here.
    """
    # An archive may hold both forms of a part: the first one found is read.
    paths: dict[str, Path] = {}
    for path in files.need_files(folder, "ECG200_TRAIN.tsv", "ECG200_TEST.tsv", "ECG200_TRAIN.ts", "ECG200_TEST.ts"):
        paths.setdefault(path.name.split("_")[1].split(".")[0].lower(), path)
    recordings = []
    for part in sorted(paths, reverse=True):
        for number, (values, label) in enumerate(_cases(paths[part]), 1):
            recordings.append(
                Recording(
                    name=f"{part}-{number:03d}",
                    values=values.astype(np.float32)[:, None],
                    target=files.same("-1" if label == "0" else label, len(values)),
                )
            )
    return DataSet(
        name="ecg200",
        columns=files.columns("1", "ecg"),  # the archive gives every beat standardised
        recordings=tuple(recordings),
        target_name="class",
    )


SOURCES: dict[str, Source[Any]] = {
    "mitdb": files.folder_source(
        _load_mitdb,
        MitdbConfig,
        origin="https://physionet.org/content/mitdb/1.0.0/",
        licence="Open Data Commons Attribution (ODC-By) 1.0 on PhysioNet (unverified); cite both papers",
        citation=(
            "Moody, Mark: The impact of the MIT-BIH Arrhythmia Database. IEEE EMB 20(3) 2001. Goldberger et al.: "
            "PhysioBank, PhysioToolkit, and PhysioNet. Circulation 2000."
        ),
    ),
    "ecg200": files.folder_source(
        _load_ecg200,
        origin="https://www.timeseriesclassification.com/description.php?Dataset=ECG200",
        licence="no explicit licence; the UCR archive asks for its citation",
        citation="Olszewski 2001 (thesis, CMU); Dau et al.: The UCR time series archive, 2019.",
    ),
}
