"""What people do, by sensors that they wear: HAPT and the watch of WISDM."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgewright.core.errors import InputError, UnknownNameError
from edgewright.core.records.data import Column, DataSet, Floats, Recording
from edgewright.data import set_files as files
from edgewright.data.contract import Source, SourceConfig
from edgewright.data.polars import pl

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
            "Name a folder with the whole set",
        )  # fmt: skip
    return DataSet(
        name="hapt",
        columns=HAPT_COLUMNS,
        recordings=tuple(recordings),
        rate=50.0,
        target_name="activity",
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


SOURCES: dict[str, Source[Any]] = {
    "hapt": files.folder_source(
        _load_hapt,
        HaptConfig,
        origin="https://archive.ics.uci.edu/dataset/341/smartphone+based+recognition+of+human+activities+and+postural+transitions",
        licence=(
            'README of the set: "distributed AS-IS", any commercial use is prohibited, acknowledgement required; '
            "UCI now states CC BY 4.0 for its collection (unverified)"
        ),
        citation=(
            "Reyes-Ortiz, Oneto, Samà, Parra, Anguita: Transition-Aware Human Activity Recognition Using "
            "Smartphones. Neurocomputing 2015. Anguita et al.: A Public Domain Dataset for HAR Using Smartphones. "
            "ESANN 2013."
        ),
    ),
    "wisdm_watch": files.folder_source(
        _load_wisdm_watch,
        WisdmWatchConfig,
        origin="https://archive.ics.uci.edu/dataset/507/wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset",
        licence="UCI states CC BY 4.0 for its collection (unverified)",
        citation=(
            "Weiss, Yoneda, Hayajneh: Smartphone and Smartwatch-Based Biometrics Using Activities of Daily Living. "
            "IEEE Access 7 (2019)."
        ),
    ),
}
