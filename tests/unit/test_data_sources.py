"""Parquet, NumPy, WAV and folders of recordings, in files as those tools write them."""

from __future__ import annotations

import io
import struct
import wave
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import (
    ArchiveDamagedError,
    ArrayFileError,
    DataKindUnknownError,
    DataWarning,
    EdgewrightError,
    InputError,
    LabelsError,
    ParquetDamagedError,
    UnknownNameError,
    WavError,
)
from edgewright.core.input.riff import read_wav, wav_bytes
from edgewright.core.records.data import DataSet
from edgewright.data.labels import Meaning, read_name
from edgewright.data.load import load_data


def _load(kind: str, path: Path, **keys: object) -> DataSet:
    return load_data({"kind": kind, "path": str(path), **keys}, seed=0)


def _wav(samples: list[int], rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(b"".join(s.to_bytes(width, "little", signed=width > 1) for s in samples))
    return stream.getvalue()


def _riff(coding: int, bits: int, body: bytes, extension: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", coding, 1, 100, 100 * bits // 8, bits // 8, bits) + extension
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"note" + struct.pack("<I", 3) + b"odd\0"
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize(
    ("width", "samples", "values"),
    [
        (1, [0, 128, 255], [-1, 0, 127 / 128]),
        (2, [-32768, 0, 16384], [-1, 0, 0.5]),
        (3, [-8388608, 0, 4194304], [-1, 0, 0.5]),
        (4, [-(1 << 31), 0, 1 << 30], [-1, 0, 0.5]),
    ],
)
def test_pcm_is_scaled_to_one(width: int, samples: list[int], values: list[float]) -> None:
    sound = read_wav(_wav(samples, width=width), "a.wav")
    assert (sound.rate, sound.bits, sound.values.dtype.name) == (8000, 8 * width, "float32")
    np.testing.assert_array_equal(sound.values[:, 0], np.array(values, dtype=np.float32))


def test_floats_and_the_extensible_form() -> None:
    body = np.array([0.25, -2.0], dtype="<f4").tobytes()
    assert read_wav(_riff(3, 32, body), "a.wav").values.tolist() == [[0.25], [-2.0]]
    extension = struct.pack("<HHIH", 22, 32, 4, 3) + bytes(14)
    assert read_wav(_riff(0xFFFE, 32, body, extension), "a.wav").values.tolist() == [[0.25], [-2.0]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a WAV file (RIFF ... WAVE), got an empty file - at a.wav"),
        (b"ID3 is another format", "expected a WAV file"),
        (
            _wav([1] * 50)[:-7],
            "expected 100 bytes of sound, got 93 bytes - at a.wav. The file is truncated: copy it again",
        ),
        (_wav([1])[:30], "a.wav"),
        (_wav([]), "expected sound, got no samples"),
        (_riff(2, 4, b"\0" * 8), "got coding 2 of 4 bit"),
        (_riff(3, 32, np.array([np.nan], dtype="<f4").tobytes()), "expected finite samples"),
    ],
)
def test_bad_wav_files(data: bytes, message: str) -> None:
    with pytest.raises(WavError) as caught:
        read_wav(data, "a.wav")
    assert message in str(caught.value)


@settings(max_examples=80)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_sound_or_a_clear_error(tail: bytes, cut: int) -> None:
    for data in (b"RIFF\0\0\0\0WAVE" + tail, _wav([1, 2, 3])[:cut] + tail):
        try:
            assert len(read_wav(data, "x.wav").values)
        except EdgewrightError as error:
            assert "x.wav" in str(error)


def test_wav_zip_with_a_name_pattern(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sounds.zip", "w") as archive:
        for name in ("3_ann_0.wav", "4_bob_1.wav", "__MACOSX/._4_bob_1.wav"):
            archive.writestr(name, _wav([1, 2, 3]))
    data = _load("wav", tmp_path / "sounds.zip", pattern="{label}_{speaker}_{index}")
    assert [r.name for r in data.recordings] == ["3_ann_0.wav", "4_bob_1.wav"]
    assert [r.target.tolist() for r in data.recordings] == [["3"] * 3, ["4"] * 3]
    assert data.recordings[1].groups is not None
    assert data.recordings[1].groups.tolist() == ["bob"] * 3
    assert (data.rate, data.group_name, data.target_name) == (8000, "group", "label")
    with pytest.raises(LabelsError, match=r"a name like \{label\}-\{index\}, got '3_ann_0' - at 3_ann_0\.wav"):
        _load("wav", tmp_path / "sounds.zip", pattern="{label}-{index}")
    (tmp_path / "broken.zip").write_bytes((tmp_path / "sounds.zip").read_bytes()[:100])
    with pytest.raises(ArchiveDamagedError):
        _load("wav", tmp_path / "broken.zip")


def test_wav_labels_from_folders_and_from_a_file(tmp_path: Path) -> None:
    for name in ("yes/a.wav", "no/b.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(_wav([1, 2, 3, 4]))
    assert [r.target.tolist()[0] for r in _load("wav", tmp_path).recordings] == ["no", "yes"]
    labels = tmp_path / "labels.csv"
    labels.write_text("file,start,end,label,speaker\nyes/a.wav,0.00025,0.0004,loud,ann\nb.wav,0,1,quiet,bob\n")
    data = _load("wav", tmp_path, labels=str(labels))
    assert [r.target.tolist() for r in data.recordings] == [["quiet"] * 4, ["", "", "loud", "loud"]]
    assert [str(r.groups[0]) for r in data.recordings if r.groups is not None] == ["bob", "ann"]


def _tone(hertz: float, rate: int, channels: int = 1) -> bytes:
    wave = 0.25 * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)
    return wav_bytes(np.repeat(wave[:, None], channels, axis=1), rate)


@pytest.mark.parametrize("kind", ["wav", "folder"])
def test_sounds_of_several_forms_become_mono_of_the_lowest_rate(kind: str, tmp_path: Path) -> None:
    for name, content in {
        "low/a.wav": _tone(1000, 16000), "low/b.wav": _tone(1000, 44100, channels=2), "high/c.wav": _tone(15000, 44100),
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.warns(DataWarning) as warned:
        data = _load(kind, tmp_path)
    assert len(warned) == 1
    assert (data.rate, [column.name for column in data.columns]) == (16000, ["sound"])
    sounds = {recording.name: recording for recording in data.recordings}
    assert {name: sound.values.shape for name, sound in sounds.items()} == dict.fromkeys(sounds, (16000, 1))
    assert [str(sounds[name].target[-1]) for name in sorted(sounds)] == ["high", "low", "low"]
    middle = slice(100, -100)
    np.testing.assert_allclose(sounds["low/a.wav"].values[middle], sounds["low/b.wav"].values[middle], atol=2e-3)
    assert np.abs(sounds["high/c.wav"].values[middle]).max() < 2e-3  # 16 kHz cannot hold 15 kHz


def test_events_of_a_resampled_sound_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(_tone(300, 8000))
    (tmp_path / "b.wav").write_bytes(_tone(300, 16000))
    labels = tmp_path / "labels.csv"
    labels.write_text("file,start_sample,end_sample,label\na.wav,800,1600,yes\nb.wav,1600,3200,yes\n")
    with pytest.warns(DataWarning):
        data = _load("wav", tmp_path, labels=str(labels))
    for recording in data.recordings:
        rows = np.flatnonzero(recording.target == "yes")
        assert (rows[0], rows[-1], len(recording.target)) == (800, 1599, 8000)


@pytest.mark.parametrize("head", [b"RF64", b"BW64"])
def test_long_wav_files_have_their_size_in_a_chunk_of_its_own(head: bytes) -> None:
    body = np.arange(6, dtype="<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 2, 100, 400, 4, 16)
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, 0, len(body), 3, 0)
    chunks = sizes + b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", 0xFFFFFFFF) + body
    start = head + struct.pack("<I", 0xFFFFFFFF) + b"WAVE"
    sound = read_wav(start + chunks + b"more", "long.wav")
    assert (sound.rate, sound.values.shape) == (100, (3, 2))
    np.testing.assert_array_equal(sound.values * 32768, np.arange(6).reshape(3, 2))
    with pytest.raises(WavError):
        read_wav(start + chunks[:-4], "long.wav")


def test_parquet_with_dates_truth_values_and_gaps(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    frame = pl.DataFrame(
        {
            "a": [1, None, 3],
            "b": [0.5, 1.5, 2.5],
            "ok": [True, False, None],
            "t": ["2024-01-01 00:00:0" + str(i) for i in range(3)],
        }
    )
    frame.with_columns(pl.col("t").str.to_datetime()).write_parquet(file)
    data = _load("parquet", file, target="ok", time="t")
    assert data.recordings[0].target.tolist() == ["true", "false", ""]
    np.testing.assert_array_equal(data.recordings[0].values, [[1, 0.5], [np.nan, 1.5], [3, 2.5]])
    assert data.rate == 1.0
    with pytest.raises(DataKindUnknownError, match=r"expected a column of numbers, got .* - at rows\.parquet column t"):
        _load("parquet", file, target="ok")
    with pytest.raises(UnknownNameError, match="Did you mean 'ok'"):
        _load("parquet", file, target="okk")
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ParquetDamagedError, match=r"a whole Parquet file, got .* - at rows\.parquet"):
        _load("parquet", file)


def test_numpy_tables_and_windows(tmp_path: Path) -> None:
    file = tmp_path / "set.npz"
    X = np.arange(24, dtype=np.float64).reshape(4, 2, 3)
    np.savez(file, X=X, y=np.array([0, 1, 0, 1]), groups=np.array(["a", "a", "b", "b"]))
    data = _load("numpy", file, rate=50, columns=["x", "y"])
    assert len(data.recordings) == 4
    np.testing.assert_array_equal(data.recordings[1].values, X[1].T)
    assert data.recordings[3].target.tolist() == [1, 1, 1]
    assert (data.rate, [c.name for c in data.columns]) == (50, ["x", "y"])
    np.savez(file, X=X[:, 0], y=np.array(["p", "q", "p", "q"]))
    data = _load("numpy", file)
    assert data.recordings[0].target.tolist() == ["p", "q", "p", "q"]
    assert data.recordings[0].groups is None
    np.save(tmp_path / "X.npy", X[:, 0])
    np.save(tmp_path / "t.npy", np.array([1.5, 2, 3, 4]))
    assert _load("numpy", tmp_path / "X.npy", y="t.npy").recordings[0].target.tolist() == [1.5, 2, 3, 4]


def test_bad_numpy_files(tmp_path: Path) -> None:
    file = tmp_path / "set.npz"
    for arrays, message in (
        ({"X": np.zeros((3, 2)), "y": np.zeros(4)}, r"shape \(3,\), one for each row of X, got \(4,\) - at set.npz y"),
        ({"x": np.zeros((3, 2))}, r"no array 'X'. Known: x"),
        ({"X": np.array([["a"]])}, "expected numbers, got an array of type"),
        ({"X": np.zeros((0, 2))}, r"got \(0, 2\)"),
        ({"X": np.array([[1.0], [np.inf]])}, "an infinite value - at set.npz row 1, column x0"),
        ({"X": np.array([[{}]], dtype=object)}, "arrays of numbers or text"),
    ):
        np.savez(file, **arrays)
        with pytest.raises(InputError, match=message):
            _load("numpy", file)
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ArrayFileError, match=r"set\.npz"):
        _load("numpy", file)


def test_a_folder_of_recordings_with_meaning_in_its_names(tmp_path: Path) -> None:
    for name in ("walk/ann/1.csv", "sit/bob/1.csv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x,y\n1,2\n3,4\n")
    pl.DataFrame({"y": [1], "x": [2]}).write_parquet(tmp_path / "sit" / "bob" / "2.parquet")
    data = _load("folder", tmp_path, pattern="{label}/{person}/{index}", rate=10)
    assert [r.name for r in data.recordings] == ["sit/bob/1.csv", "sit/bob/2.parquet", "walk/ann/1.csv"]
    assert [str(r.target[0]) for r in data.recordings] == ["sit", "sit", "walk"]
    assert [str(r.groups[0]) for r in data.recordings if r.groups is not None] == ["bob", "bob", "ann"]
    assert data.recordings[1].values.tolist() == [[2, 1]]
    (tmp_path / "labels.csv").write_text("file,label,session\nwalk/ann/1.csv,run,monday\n")
    (walk,) = [r for r in _load("folder", tmp_path).recordings if r.name == "walk/ann/1.csv"]
    assert walk.target.tolist() == ["run", "run"]
    assert walk.sessions is not None
    assert walk.sessions.tolist() == ["monday", "monday"]


@pytest.mark.parametrize(
    ("file", "pattern", "meaning"),
    [
        ("walk/a.csv", "", Meaning(label="walk")),
        ("a_b-c_7.csv.gz", "{label}_{subject}_{n}", Meaning(label="a", group="b-c")),
        ("exp01_user02.csv", "{session}_user{group}", Meaning(session="exp01", group="02")),
        ("p1/walk/2.wav", "{person}/{label}/{n}", Meaning(label="walk", group="p1")),
    ],
)
def test_name_patterns(file: str, pattern: str, meaning: Meaning) -> None:
    assert read_name(file, pattern) == meaning


@pytest.mark.parametrize("pattern", ["label", "{label}_{label}"])
def test_a_pattern_needs_parts(pattern: str) -> None:
    with pytest.raises(LabelsError):
        read_name("a.csv", pattern)


def test_names_of_columns_that_are_not_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.ones((3, 1)))
    with pytest.raises(UnknownNameError, match=r"no column 'temp'. Known: x0 - at \[data\] units"):
        _load("numpy", tmp_path / "a.npz", units={"temp": "C"})
    (tmp_path / "a.wav").write_bytes(_wav([1, 2]))
    with pytest.raises(UnknownNameError, match=r"no column 'left'. Known: sound - at \[data\] ranges"):
        _load("wav", tmp_path / "a.wav", ranges={"left": [-1, 1]})
    (tmp_path / "a.npz").unlink()
    with pytest.raises(UnknownNameError, match=r"no column 'acc'. Known: sound - at a\.wav"):
        _load("folder", tmp_path, columns=["acc"])
