"""What people do, by sensors that they wear: HAPT, PAMAP2, WISDM."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgewright.data.contract import PublicSet, SourceConfig
from edgewright.data.polars import pl
from edgewright.data.sets import _files as files
from edgewright.data.sets import facts
from edgewright.schema.data import Column, DataSet, Floats, Recording
from edgewright.schema.errors import InputError, UnknownNameError

HAPT_ACTIVITIES = (
    "walking", "walking upstairs", "walking downstairs", "sitting", "standing", "laying",
    "stand to sit", "sit to stand", "sit to lie", "lie to sit", "stand to lie", "lie to stand",
)  # fmt: skip
_AXES = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
# The accelerometer gives +-2 g before its calibration (2.01 g occurs); the range of rotation is not documented.
HAPT_COLUMNS = (
    *(Column(name=n, unit="g", minimum=-2.05, maximum=2.05) for n in _AXES[:3]),
    *(Column(name=n, unit="rad/s") for n in _AXES[3:]),
)
_NAME = re.compile(r"exp(\d+)_user(\d+)")
# The people of the official test part (subject_id_test.txt of the origin); the 21 others train.
TEST_PEOPLE = (2, 4, 9, 10, 12, 13, 18, 20, 24)
# experiment, user, activity, first and last sample, counted from 1 and both inclusive
Segment = tuple[int, int, int, int, int]


class HaptConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """HAPT.

    Attributes:
        activities: names of the labelled activities; rows of any other count as unlabelled.
        part: 'train' (21 people), 'test' (the 9 others) or 'both', the official parts, as far as the folder has them.
    """

    activities: tuple[str, ...] = HAPT_ACTIVITIES[:6]
    part: Literal["train", "test", "both"] = "both"


def _segments(folder: Path) -> dict[int, list[Segment]]:
    """Labelled stretches by experiment, in order."""
    path = files.need_files(folder, "labels.csv", "labels.txt")[0]
    text = files.read_text(path)
    by_experiment: dict[int, list[Segment]] = defaultdict(list)
    for number, line in enumerate(text.splitlines(), 1):
        cells = re.split(r"[,\s]+", line.strip())
        if cells == [""] or cells[0] == "experiment":
            continue
        try:
            experiment, user, activity, first, last = (int(c) for c in cells)
        except ValueError:
            raise InputError("5 whole numbers", repr(line), f"{path} line {number}") from None
        if not 1 <= activity <= len(HAPT_ACTIVITIES) or not 1 <= first <= last:
            raise InputError(
                "an activity from 1 to 12 and a first sample before the last", line, f"{path} line {number}"
            )
        by_experiment[experiment].append((experiment, user, activity, first, last))
    return {experiment: sorted(segments, key=lambda s: s[3]) for experiment, segments in by_experiment.items()}


def _signals(path: Path) -> Floats:
    """Acceleration and rotation, shape (rows, 6), from a joined file or from a pair of original files."""
    if not path.name.startswith("acc_"):
        return files.numbers(files.read_table(path), _AXES, path)
    other = path.with_name(path.name.replace("acc_", "gyro_", 1))
    if not other.is_file():
        raise InputError("the rotation beside the acceleration", "no such file", str(other))
    acc, gyro = (files.table_by_rows(p, 3) for p in (path, other))
    if len(acc) != len(gyro):
        raise InputError(f"{len(acc)} rows as in {path.name}", str(len(gyro)), str(other))
    return np.concatenate([acc, gyro], axis=1).astype(np.float32)


def _hapt_recording(path: Path, segments: list[Segment], wanted: dict[int, str]) -> Recording:
    values = _signals(path)
    match = _NAME.search(path.name)
    if match is None:
        raise InputError("a name with expNN_userMM", path.name, str(path.parent))
    experiment, user = match.groups()
    target = np.full(len(values), "", dtype=f"<U{max(len(name) for name in HAPT_ACTIVITIES)}")
    part = np.zeros(len(values), dtype=np.int64)
    before: Segment | None = None
    for segment in segments:
        _, _, activity, first, last = segment
        if last > len(values):
            raise InputError(f"at least {last} rows, as labelled", str(len(values)), str(path), "Fetch it again")
        target[first - 1 : last] = wanted.get(activity, "")
        # Two stretches of one activity that touch were labelled apart: a window must not lie across both.
        if before is not None and before[2] == activity and before[4] + 1 >= first:
            part[first - 1 :] += 1
        before = segment
    session = f"exp{experiment}"
    sessions = files.same(session, len(values))
    if part.any():
        sessions = np.array([f"{session}/{n + 1}" for n in range(int(part.max()) + 1)])[part]
    return Recording(
        name=f"exp{experiment}_user{user}",
        values=values,
        target=target,
        groups=files.same(str(int(user)), len(values)),
        sessions=sessions,
        time=np.arange(len(values)) / 50.0,
    )


def _load_hapt(config: HaptConfig, folder: Path) -> DataSet:
    """HAPT: phone at the waist, 30 people, six activities and six transitions; the raw form of UCI HAR.

    Original layout: `RawData/acc_exp01_user01.txt`, `gyro_exp01_user01.txt`, `labels.txt`. Plain copy:
    `exp01_user01.csv.gz` with both joined, `labels.csv`. Windows of 128 samples every 64, cut inside each labelled
    stretch, give the class counts of the official windows.
    """
    for name in config.activities:
        if name not in HAPT_ACTIVITIES:
            raise UnknownNameError("activity", name, HAPT_ACTIVITIES, "data.activities")
    wanted = {i + 1: name for i, name in enumerate(HAPT_ACTIVITIES) if name in config.activities}
    segments = _segments(folder)
    paths = files.need_files(folder, "exp*_user*.csv", "acc_exp*_user*.txt")
    recordings, people = [], set()
    for path in paths:
        match = _NAME.search(path.name)
        experiment, person = (int(number) for number in match.groups()) if match else (0, 0)
        people.add(person)
        if config.part == "both" or (person in TEST_PEOPLE) == (config.part == "test"):
            recordings.append(_hapt_recording(path, segments.get(experiment, []), wanted))
    if not recordings:
        raise InputError(
            f"recordings of the official part {config.part!r} (test: people {', '.join(map(str, TEST_PEOPLE))})",
            f"people {', '.join(map(str, sorted(people)))}", str(folder),
            "Name a folder with the whole set: edgewright data get hapt",
        )  # fmt: skip
    return DataSet(
        name="hapt",
        columns=HAPT_COLUMNS,
        recordings=tuple(recordings),
        rate=50.0,
        target_name="activity",
        group_name="user",
    )


# Activity of the original's second column; 0 is everything between the activities.
PAMAP2_ACTIVITIES = {
    1: "lying", 2: "sitting", 3: "standing", 4: "walking", 5: "running", 6: "cycling", 7: "nordic walking",
    9: "watching tv", 10: "computer work", 11: "car driving", 12: "ascending stairs", 13: "descending stairs",
    16: "vacuum cleaning", 17: "ironing", 18: "folding laundry", 19: "house cleaning", 20: "playing soccer",
    24: "rope jumping",
}  # fmt: skip
_WIDTH, _TIME, _ACTIVITY, _WRIST = 54, 0, 1, slice(7, 10)


def _original(path: Path) -> Recording:
    rows = files.table_by_rows(path, _WIDTH)
    kinds, index = np.unique(rows[:, _ACTIVITY].astype(np.int64), return_inverse=True)
    subject = re.sub(r"\D", "", files.stem(path))
    return Recording(
        name=f"{path.parent.name.lower()}-{files.stem(path)}",
        values=rows[:, _WRIST].astype(np.float32),
        target=np.array([PAMAP2_ACTIVITIES.get(int(k), "") for k in kinds])[index],
        groups=files.same(subject, len(rows)),
        time=rows[:, _TIME] - rows[0, _TIME],
    )


def _excerpt(path: Path) -> Recording:
    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise InputError("a Parquet file", str(error).splitlines()[0], str(path), "Fetch it again") from None
    values = files.numbers(table, [f"hand_acceleration_6g_{axis}" for axis in "xyz"], path)
    subject = re.search(r"subject(\d+)", path.name)
    names = files.texts(table, "activity", path)
    kinds, index = np.unique(names, return_inverse=True)
    labels = [str(k).replace("_", " ").lower() for k in kinds]
    clock = table["time"].dt.total_nanoseconds().to_numpy()
    return Recording(
        name=files.stem(path),
        values=values,
        target=np.array(["" if k == "transient" else k for k in labels])[index],
        groups=files.same(subject.group(1) if subject else "", len(values)),
        time=np.asarray(clock - clock[0], dtype=np.float64) / 1e9,
    )


def _load_pamap2(config: SourceConfig, folder: Path) -> DataSet:
    """PAMAP2: nine people with sensors at wrist, chest and ankle; here the wrist's accelerometer (6 g) at 100 Hz.

    Original: `Protocol/subject101.dat`, 54 columns separated by blanks. Plain copy: a Parquet excerpt of subject 102.
    Gaps of the radio link are in the data and stay missing values.
    """
    paths = files.need_files(folder, "subject*.dat", "pamap2_subject*.parquet")
    return DataSet(
        name="pamap2",
        columns=files.columns("m/s²", "hand_x", "hand_y", "hand_z"),
        recordings=tuple(_excerpt(p) if p.suffix == ".parquet" else _original(p) for p in paths),
        rate=100.0,
        target_name="activity",
        group_name="subject",
    )


_ATTRIBUTE = re.compile(r"""^@attribute\s+["']?([^"'\s]+)["']?\s""", re.IGNORECASE)
_NOT_FEATURES = ("UNIQUE_ID", "user", "class")


def _arff(path: Path) -> pl.DataFrame:
    """Table of an ARFF file: names from its attributes, rows after `@data`."""
    lines = files.read_text(path).splitlines()
    names = [m.group(1) for m in (_ATTRIBUTE.match(line) for line in lines) if m]
    start = next((i + 1 for i, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if start is None or not names:
        raise InputError("lines '@attribute' and '@data'", "none", str(path), "Is it a whole ARFF file?")
    rows = [tuple(c.strip() for c in line.split(",")) for line in lines[start:] if line.strip()]
    for number, row in enumerate(rows, start + 1):
        if len(row) != len(names):
            raise InputError(f"{len(names)} values", str(len(row)), f"{path} line {number}")
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return table.with_columns(pl.all().replace("?", None))


def _column(name: str) -> Column:
    """Return shares of samples in ten bins, time between peaks in milliseconds, the rest in m/s²."""
    if name[0] in "XYZ" and name[1:].isdigit():
        return Column(name=name, unit="1", minimum=0.0, maximum=1.0)
    return Column(name=name, unit="ms" if name.endswith("PEAK") else "m/s²")


def _load_wisdm(config: SourceConfig, folder: Path) -> DataSet:
    """WISDM activity prediction v1.1, transformed: 43 features of ten seconds of a phone in the trouser pocket.

    Original: `WISDM_ar_v1.1_transformed.arff`. Plain copy: the same values as CSV. `?` stands for a missing value.
    """
    path = files.need_files(folder, "WISDM_ar_v1.1_transformed.csv", "WISDM_ar_v1.1_transformed.arff")[0]
    table = _arff(path) if ".arff" in path.name else files.read_table(path)
    names = [n for n in table.columns if n not in _NOT_FEATURES]
    values = files.numbers(table, names, path)
    return DataSet(
        name="wisdm",
        columns=tuple(_column(n) for n in names),
        recordings=files.by_group(values, files.texts(table, "class", path), files.texts(table, "user", path), "user-"),
        target_name="class",
        group_name="user",
    )


WISDM_WATCH_ACTIVITIES = {
    "A": "walking", "B": "jogging", "C": "stairs", "D": "sitting", "E": "standing", "F": "typing",
    "G": "brushing teeth", "H": "eating soup", "I": "eating chips", "J": "eating pasta", "K": "drinking",
    "L": "eating a sandwich", "M": "kicking a ball", "O": "catching a ball", "P": "dribbling a ball",
    "Q": "writing", "R": "clapping", "S": "folding clothes",
}  # fmt: skip


class WisdmWatchConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """WISDM, accelerometer of the watch.

    Attributes:
        activities: names of the labelled activities; rows of any other count as unlabelled.
    """

    activities: tuple[str, ...] = ("walking", "jogging", "stairs", "sitting", "standing", "kicking a ball")


def _wisdm_watch_recording(path: Path, wanted: dict[str, str]) -> Recording:
    if ".txt" in path.name:
        table = files.read_table(path, names=("subject", "activity", "clock", "x", "y", "z"))
        table = table.with_columns(pl.col("z").str.strip_chars(" ;"))
    else:
        table = files.read_table(path)
    values = files.numbers(table, ("x", "y", "z"), path)
    subject = str(table["subject"][0])
    codes = files.texts(table, "activity", path)
    kinds, index = np.unique(codes, return_inverse=True)
    return Recording(
        name=f"subject-{subject}",
        values=values,
        target=np.array([wanted.get(str(k), "") for k in kinds])[index],
        groups=files.same(subject, len(values)),
        time=np.arange(len(values)) / 20.0,
    )


def _load_wisdm_watch(config: WisdmWatchConfig, folder: Path) -> DataSet:
    """WISDM biometrics set, accelerometer of the watch: 51 people, 18 activities, about three minutes of each.

    Original lines: `1600,A,252207918580802,-4.33,13.36,-0.72;`. Plain copy: CSV with `subject,activity,x,y,z`, six
    activities. A row's nominal distance is 1/20 s; the original's clock counts nanoseconds since the watch started.
    """
    for name in config.activities:
        if name not in WISDM_WATCH_ACTIVITIES.values():
            raise UnknownNameError("activity", name, WISDM_WATCH_ACTIVITIES.values(), "data.activities")
    wanted = {code: name for code, name in WISDM_WATCH_ACTIVITIES.items() if name in config.activities}
    paths = files.need_files(folder, "data_*_accel_watch.csv", "data_*_accel_watch.txt")
    return DataSet(
        name="wisdm_watch",
        columns=files.columns("m/s²", "x", "y", "z"),
        recordings=tuple(_wisdm_watch_recording(p, wanted) for p in paths),
        rate=20.0,
        target_name="activity",
        group_name="subject",
    )


SETS: dict[str, PublicSet[Any]] = {
    "hapt": PublicSet(**facts("hapt"), loader=_load_hapt, config=HaptConfig),
    "pamap2": PublicSet(**facts("pamap2"), loader=_load_pamap2),
    "wisdm": PublicSet(**facts("wisdm"), loader=_load_wisdm),
    "wisdm_watch": PublicSet(**facts("wisdm_watch"), loader=_load_wisdm_watch, config=WisdmWatchConfig),
}
