"""A wake word: where words lie in windows and streams, who trains and who judges, and alarms of those who judge."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.input.riff import wav_bytes
from edgewright.data.load import load_data
from edgewright.data.synthetic import is_synthetic
from edgewright.data.targets import as_text
from edgewright.jobs.catalogue import examples, read_job
from edgewright.jobs.steps import Work
from edgewright.jobs.steps.alarms import record_of
from edgewright.jobs.steps.words import STEP, Config, Role, _backgrounds
from edgewright.language.synthesis.background import background
from edgewright.language.synthesis.speech import VOICES, copy_of, speakers_of, stream_of, trimmed, window_of
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.workflows.tuning.grid import Tally
from support import left_out

PIPELINE = """
name = "wake"
refit = false
[data]
kind = "folder"
[window]
samples = 6000
step = 1500
within = "recording"
[split]
by = "group"
[[stages]]
kind = "log_mel"
mels = 8
[[model.layers]]
kind = "conv1d"
filters = 4
kernel = 3
[[model.layers]]
kind = "global_max_pool"
[training]
epochs = 2
[compression]
max_drop = 1.0
[device]
profile = "cortex-m4"
"""
JOB = """
title = "Does somebody say go?"
shows = "A wake word."
minutes = 0.1
limits = ["Simulated."]
[[steps]]
kind = "words"
word = "go"
speakers = 10
[[steps]]
kind = "run"
[[steps]]
kind = "tune"
alarms = ["go"]
hourly = 60.0
[[steps]]
kind = "alarms"
[[steps]]
kind = "replay"
most = 1
"""
WORD = np.full(3000, 0.5, np.float32)


def test_a_wake_word_lies_whole_in_its_window_and_another_word_by_half_at_least() -> None:
    rng = np.random.default_rng(0)
    sample_counts = {
        whole: [np.count_nonzero(window_of(WORD, 8000, rng, whole=whole)) for _ in range(300)]
        for whole in (True, False)
    }
    assert set(sample_counts[True]) == {3000}
    assert 1500 <= min(sample_counts[False]) < 1700
    assert max(sample_counts[False]) == 3000
    assert {len(window_of(np.ones(9000, np.float32), 8000, rng, whole=True)) for _ in range(9)} == {8000}


def test_a_stream_says_where_each_word_is_and_has_noise_between() -> None:
    values, places = stream_of([WORD, WORD], (0.5, 1.0), 8000, np.random.default_rng(1))
    assert places[0] == (8000, 11000)
    assert 4000 <= places[1][0] - places[0][1] <= 8000
    assert len(values) == places[1][1] + 8000
    for start, end in places:
        assert values[start:end].mean() == pytest.approx(0.5, abs=0.05)
    assert 0 < np.abs(values[:8000]).max() < 0.3


def test_a_copy_is_faster_or_slower_and_louder_or_quieter() -> None:
    copies = [copy_of(WORD, np.random.default_rng(seed)) for seed in range(50)]
    lengths = [len(one) for one in copies]
    assert 2500 < min(lengths) < 2700 and 3300 < max(lengths) < 3600
    assert min(one.max() for one in copies) < 0.2 and max(one.max() for one in copies) > 0.8


def test_a_recording_loses_the_quiet_around_its_word() -> None:
    quiet = np.zeros(16000, np.float32)
    assert 3000 <= len(trimmed(np.concatenate([quiet, WORD, quiet]), 8000)) <= 4000
    assert len(trimmed(quiet, 8000)) == 16000


def tally(events: int, missed: int, false: int, exposure: float) -> Tally:
    return Tally(events, missed, false, 0, exposure, ())


def test_figures_tell_misses_by_speaker_and_false_alarms_by_the_hour() -> None:
    tallies = {"ann": [tally(10, 1, 0, 900.0)] * 2, "bob": [tally(20, 8, 1, 1800.0)], "texts": [tally(0, 0, 1, 3600.0)]}
    record = record_of("wake", ("go",), tallies)
    figures = {one.name: one for one in record.figures}
    assert figures["missed"].value == pytest.approx(10 / 40)
    assert figures["missed_without_worst"].value == pytest.approx(2 / 20)
    assert "bob" in figures["missed_without_worst"].title
    assert figures["hours"].value == pytest.approx(2.0)
    assert figures["false_alarms"].value == pytest.approx(1.0)
    interval = figures["false_alarms"].interval
    assert interval is not None and 0.1 < interval.low < 0.2 and 3.4 < interval.high < 3.8
    assert "bob 8 of 20 events missed, 1 false alarm in 30 min" in record.says[0]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """Return the folder of a job for the word 'go'."""
    if shutil.which("espeak-ng") is None:
        left_out("espeak-ng is not installed")
    folder = tmp_path / "wake"
    folder.mkdir()
    for name, text in (("pipeline.toml", PIPELINE), ("job.toml", JOB), ("others.txt", "no\nstop\nlater\n")):
        (folder / name).write_text(text)
    (folder / "device.toml").write_text('device = "microphone"\n')
    return folder


def prepared(job: Path, out: Path, **keys: object) -> tuple[Work, DataSet]:
    """Return what the step leaves for later ones, and its recordings."""
    out.mkdir()
    work = Work(job, out, None, Listener())
    STEP.run(msgspec.convert({"kind": "words", "word": "go", "speakers": 10, **keys}, Config), work)
    return work, load_data({"kind": "folder"}, seed=0, path=str(work.data))


def group_of(one: Recording) -> str:
    assert one.groups is not None
    return str(one.groups[0])


def groups_of(data: DataSet, seconds: float) -> set[str]:
    """Return the groups of recordings that are longer, and so are streams."""
    return {group_of(one) for one in data.recordings if len(one.values) > seconds * 8000}


@pytest.mark.slow
def test_without_people_voices_that_do_not_train_judge(job: Path, tmp_path: Path) -> None:
    work, data = prepared(job, tmp_path / "out", repeats=2)
    judges, validate = (json.loads(change.partition("=")[2]) for change in reversed(work.changes))
    assert len(judges) == len(validate) == 2
    assert groups_of(data, 1.0) == {*judges, *validate}
    labels = {str(label) for one in data.recordings for label in np.unique(as_text(one.target))}
    assert labels == {"", "go", "other"}
    spoken = [one for one in data.recordings if group_of(one).startswith("espeak-ng") and len(one.values) == 6000]
    assert len(spoken) == 6 * 5 * 2


@pytest.mark.slow
def test_people_who_judge_keep_three_takes_back_and_those_who_train_never_say_the_word(
    job: Path, tmp_path: Path
) -> None:
    work, data = prepared(
        job, tmp_path / "out", data={"kind": "speech", "speakers": 4, "repetitions": 5}, spelled={"go": "go"},
        train=["speaker01"], validate=["speaker02"], takes=3, copies=4,
    )  # fmt: skip
    assert 'split.test_groups=["speaker03", "speaker04"]' in work.changes
    assert groups_of(data, 1.0) == {"speaker02", "speaker03", "speaker04"}
    by = {
        name: sum(
            len(np.flatnonzero(np.diff((as_text(one.target) == "go").astype(int), prepend=0) == 1))
            for one in data.recordings
            if group_of(one) == name
        )
        for name in ("speaker01", "speaker02", "speaker03")
    }
    assert by == {"speaker01": 0, "speaker02": 2, "speaker03": 2}
    takes = load_data({"kind": "folder"}, seed=0, path=str(tmp_path / "out" / "words" / "takes"))
    assert len(takes.recordings) == 3 * 3 * 4
    assert all(is_synthetic(one.sessions).all() for one in takes.recordings if one.sessions is not None)
    mine = {"takes of speaker02", "takes of speaker03", "takes of speaker04"}
    assert {group_of(one) for one in takes.recordings} == mine
    compared = load_data({"kind": "folder"}, seed=0, path=str(tmp_path / "out" / "words" / "compared"))
    groups = [group_of(one) for one in compared.recordings if "go" in as_text(one.target) and len(one.values) == 6000]
    assert sorted(groups) == sorted([*mine] * 3)
    assert len(compared.recordings) == len(data.recordings) + 9 - 10 * 4 * 2


@pytest.mark.slow
def test_own_takes_train_and_what_is_left_of_them_judges(job: Path, tmp_path: Path) -> None:
    (job / "mine").mkdir()
    for number in range(4):
        (job / "mine" / f"{number}.wav").write_bytes(
            wav_bytes(np.r_[np.zeros(4000), WORD, np.zeros(4000)][:, None], 16000)
        )
    work, data = prepared(job, tmp_path / "out", own="mine", takes=3, copies=2)
    assert "own recordings" in groups_of(data, 1.0)
    assert "own recordings" in work.changes[1]
    assert len(list((tmp_path / "out" / "words" / "takes").glob("*.wav"))) == 6


@pytest.mark.slow
def test_what_makes_no_wake_word_is_refused(job: Path, tmp_path: Path) -> None:
    data = {"kind": "speech", "speakers": 2, "repetitions": 1}
    cases: tuple[tuple[dict[str, object], type[Exception], str], ...] = (
        ({"others": "none.txt"}, InputError, "a file of other words"),
        ({"word": "no"}, InputError, "the wake word 'no'"),
        ({"data": data}, InputError, "recordings of 'go'"),
        ({"data": data, "spelled": {"go": "go"}, "train": ["eve"]}, UnknownNameError, "eve"),
        ({"data": data, "spelled": {"go": "go"}, "train": ["speaker01"]}, InputError, "people who validate"),
        (
            {"data": data, "spelled": {"go": "go"}, "validate": ["speaker01"], "takes": 3}, InputError,
            "at least 3 recordings",
        ),
    )  # fmt: skip
    for number, (keys, error, text) in enumerate(cases):
        with pytest.raises(error, match=text):
            prepared(job, tmp_path / str(number), **keys)
    (job / "pipeline.toml").write_text(PIPELINE.replace("samples = 6000", "samples = 1500"))
    with pytest.raises(InputError, match="a wake word of at most"):
        prepared(job, tmp_path / "short")


@pytest.mark.slow
def test_a_job_hears_its_word_through_the_agent(job: Path, tmp_path: Path, cli: Cli) -> None:
    record = cli.json("jobs", "run", job, "--out", tmp_path / "runs")
    steps = {step["name"]: step for step in record["steps"]}
    figures = {name: {one["name"]: one["value"] for one in step["figures"]} for name, step in steps.items()}
    assert figures["alarms"]["events"] == 2 * 4
    assert 0 <= figures["alarms"]["missed"] <= 1
    assert steps["tune"]["command"].endswith("--alarms-per-day 1440")
    assert "misses least at 60 or fewer false alarms an hour" in steps["tune"]["choice"]["why"]
    assert steps["replay"]["says"][0].startswith("2 recordings of 2 groups")
    assert "No person judges" in steps["words"]["says"][1]
    job.joinpath("job.toml").write_text(JOB.replace('kind = "tune"\nalarms = ["go"]\nhourly = 60.0', 'kind = "prove"'))
    cli("jobs", "run", job, "--out", tmp_path / "runs", code=1)
    assert "a tuned decision" in (tmp_path / "runs" / "wake-2" / "job.json").read_text()


def test_a_folder_for_a_wake_word_is_made(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "takes").mkdir()
    folder = tmp_path / "hallo"
    printed = cli("jobs", "new", folder, "--word", "7", "--voice", "de", "--takes", tmp_path / "takes")
    assert "job.toml, others.txt, pipeline.toml" in printed
    words, run = read_job(folder).steps[:2]
    assert (words["word"], words["voices"], words["speakers"], words["takes"]) == ("7", ["de"], 50, 3)
    assert run["synthetic"] == "words/takes"
    assert "7" not in (folder / "others.txt").read_text().splitlines()
    assert 'name = "hallo"' in (folder / "pipeline.toml").read_text()
    cli("jobs", "new", tmp_path / "plain", "--word", "computer")
    words, run = read_job(tmp_path / "plain").steps[:2]
    assert (words["speakers"], "own" in words, "synthetic" in run) == (200, False, False)
    assert "either --data or --word" in cli("jobs", "new", tmp_path / "none", code=2)
    refusal = cli("jobs", "new", tmp_path / "none", "--data", "x.csv", "--voice", "de", code=2)
    assert "got --voice beside --data" in refusal


def test_the_job_leaves_the_people_who_judge_out_of_training() -> None:
    words = read_job(examples() / "wake-word").steps[0]
    assert {*words.get("train", ()), *words["validate"]} == {"george", "jackson", "lucas"}
    assert words["word"] not in (examples() / "wake-word" / "others.txt").read_text().split()


def test_hours_of_synthetic_sound_are_noise_music_and_speech_in_turn() -> None:
    if shutil.which("espeak-ng") is None:
        left_out("espeak-ng is not installed")
    sound = background(60.0, 8000, ["we call it bear"], ["en-us"], 1)
    speech, music, noise = sound.reshape(3, -1)
    assert len(sound) == 60 * 8000 and np.isfinite(sound).all()
    assert not np.array_equal(sound, background(60.0, 8000, ["we call it bear"], ["en-us"], 2))
    # Lines stand out of the spectrum of a note, not out of noise; speech pauses.
    lines = [np.abs(np.fft.rfft(part[:8000])) for part in (music, noise)]
    assert lines[0].max() / np.median(lines[0]) > 5 * lines[1].max() / np.median(lines[1])
    levels = [np.sqrt((part.reshape(-1, 400) ** 2).mean(axis=1)) for part in (speech, noise)]
    assert np.quantile(levels[0], 0.05) / levels[0].max() < np.quantile(levels[1], 0.05) / levels[1].max()


@pytest.mark.slow
def test_synthetic_sound_judges_and_validates_by_voices_that_do_not_train(job: Path, tmp_path: Path) -> None:
    people = {"data": {"kind": "speech", "speakers": 2, "repetitions": 4}, "spelled": {"go": "go"}}
    with pytest.raises(InputError, match="whose sentences synthetic sound reads"):
        prepared(job, tmp_path / "none", **people, validate=["speaker01"], hours=0.1)
    texts = tmp_path / "data" / "speechocean762" / "train"
    texts.mkdir(parents=True)
    (texts / "text").write_text("a1 WE CALL IT BEAR\na2 TOM GIVES UP\na3 LET US GO\n")
    (texts / "utt2spk").write_text("a1 a\na2 a\na3 a\n")
    work = Work(job, tmp_path / "out", tmp_path / "data", Listener())
    roles: dict[str, Role] = {"espeak-ng en-us+m1": "train"}
    config = msgspec.convert({"kind": "words", "word": "go", "readers": "speechocean", "hours": 0.3}, Config)
    sounds = _backgrounds(config, work, roles)
    assert [group for group, _ in sounds] == ["synthetic sound"] * 2 + ["other synthetic sound"]
    assert [roles[group] for group, _ in sounds] == ["judge", "judge", "validate"]
    assert all(len(sound) == 600 * 8000 for _, sound in sounds)
    crowded = {f"espeak-ng {voice}": "train" for voice in speakers_of(VOICES, 536, np.random.default_rng(0))}
    with pytest.raises(InputError, match="voices that train nothing"):
        _backgrounds(config, work, msgspec.convert(crowded, dict[str, Role]))
    (texts / "text").write_text("a1 WE GO\na2 TOM GIVES UP\na3 LET US GO\n")
    with pytest.raises(InputError, match="2 sentences without 'go'"):
        _backgrounds(config, work, roles)
