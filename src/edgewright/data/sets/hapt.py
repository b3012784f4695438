"""HAPT: phone at the waist, 30 people, six activities and six transitions; the raw form of UCI HAR.

Original layout: `RawData/acc_exp01_user01.txt`, `gyro_exp01_user01.txt`, `labels.txt`. Plain copy:
`exp01_user01.csv.gz` with both joined, `labels.csv`. Windows of 128 samples every 64, cut inside each labelled
stretch, give the class counts of the official windows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Literal

import numpy as np

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import Column, DataSet, Floats, Recording
from edgewright.schema.errors import InputError, UnknownNameError

ACTIVITIES = (
    "walking", "walking upstairs", "walking downstairs", "sitting", "standing", "laying",
    "stand to sit", "sit to stand", "sit to lie", "lie to sit", "stand to lie", "lie to stand",
)  # fmt: skip
_AXES = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
# The accelerometer gives +-2 g before its calibration (2.01 g occurs); the range of rotation is not documented.
COLUMNS = (
    *(Column(name=n, unit="g", minimum=-2.05, maximum=2.05) for n in _AXES[:3]),
    *(Column(name=n, unit="rad/s") for n in _AXES[3:]),
)
_NAME = re.compile(r"exp(\d+)_user(\d+)")
# The people of the official test part (subject_id_test.txt of the origin); the 21 others train.
TEST_PEOPLE = (2, 4, 9, 10, 12, 13, 18, 20, 24)
# experiment, user, activity, first and last sample, counted from 1 and both inclusive
Segment = tuple[int, int, int, int, int]


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """HAPT.

    Attributes:
        activities: names of the labelled activities; rows of any other count as unlabelled.
        part: 'train' (21 people), 'test' (the 9 others) or 'both', the official parts, as far as the folder has them.
    """

    activities: tuple[str, ...] = ACTIVITIES[:6]
    part: Literal["train", "test", "both"] = "both"


def _segments(folder: Path) -> dict[int, list[Segment]]:
    """Labelled stretches by experiment, in order."""
    path = files.need_files(folder, "labels.csv", "labels.txt")[0]
    text = files.read_text(path)
    found: dict[int, list[Segment]] = defaultdict(list)
    for number, line in enumerate(text.splitlines(), 1):
        cells = re.split(r"[,\s]+", line.strip())
        if cells == [""] or cells[0] == "experiment":
            continue
        try:
            experiment, user, activity, first, last = (int(c) for c in cells)
        except ValueError:
            raise InputError("5 whole numbers", repr(line), f"{path} line {number}") from None
        if not 1 <= activity <= len(ACTIVITIES) or not 1 <= first <= last:
            raise InputError(
                "an activity from 1 to 12 and a first sample before the last", line, f"{path} line {number}"
            )
        found[experiment].append((experiment, user, activity, first, last))
    return {experiment: sorted(segments, key=lambda s: s[3]) for experiment, segments in found.items()}


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


def _recording(path: Path, segments: list[Segment], wanted: dict[int, str]) -> Recording:
    values = _signals(path)
    match = _NAME.search(path.name)
    if match is None:
        raise InputError("a name with expNN_userMM", path.name, str(path.parent))
    experiment, user = match.groups()
    target = np.full(len(values), "", dtype=f"<U{max(len(name) for name in ACTIVITIES)}")
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


def _load(config: Config, folder: Path) -> DataSet:
    for name in config.activities:
        if name not in ACTIVITIES:
            raise UnknownNameError("activity", name, ACTIVITIES, "data.activities")
    wanted = {i + 1: name for i, name in enumerate(ACTIVITIES) if name in config.activities}
    segments = _segments(folder)
    paths = files.need_files(folder, "exp*_user*.csv", "acc_exp*_user*.txt")
    recordings, people = [], set()
    for path in paths:
        match = _NAME.search(path.name)
        experiment, person = (int(number) for number in match.groups()) if match else (0, 0)
        people.add(person)
        if config.part == "both" or (person in TEST_PEOPLE) == (config.part == "test"):
            recordings.append(_recording(path, segments.get(experiment, []), wanted))
    if not recordings:
        raise InputError(
            f"recordings of the official part {config.part!r} (test: people {', '.join(map(str, TEST_PEOPLE))})",
            f"people {', '.join(map(str, sorted(people)))}", str(folder),
            "Name a folder with the whole set: edgewright data get hapt",
        )  # fmt: skip
    return DataSet(
        name="hapt",
        columns=COLUMNS,
        recordings=tuple(recordings),
        rate=50.0,
        target_name="activity",
        group_name="user",
    )


SET = PublicSet(
    title="HAPT: smartphone activities and postural transitions (raw form of UCI HAR)",
    homepage="https://archive.ics.uci.edu/dataset/341/smartphone+based+recognition+of+human+activities+and+postural+transitions",
    url="https://archive.ics.uci.edu/static/public/341/smartphone+based+recognition+of+human+activities+and+postural+transitions.zip",
    check="61 recordings; every labelled stretch lies inside its recording",
    licence='README of the set: "distributed AS-IS", any commercial use is prohibited, acknowledgement required; '
    "UCI now states CC BY 4.0 for its collection (unverified)",
    citation="Reyes-Ortiz, Oneto, Samà, Parra, Anguita: Transition-Aware Human Activity Recognition Using "
    "Smartphones. Neurocomputing 2015. Anguita et al.: A Public Domain Dataset for HAR Using Smartphones. ESANN 2013.",
    task="activities of people: 6 classes (and 6 transitions), split by person",
    config=Config,
    loader=_load,
    folder="har-hapt",
    marks=("acc_exp??_user??.txt|exp??_user??.csv", "labels.csv|labels.txt"),
    documented=(
        Documented("whole set, 30 people", recordings=61),
        Documented("plain copy, 21 people", recordings=42, rows=797_484),
    ),
)
