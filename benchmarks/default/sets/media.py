"""Public sets of sounds and pictures."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from benchmarks.default.content import Array, DataSet, Items, stratified, whole_groups
from edgewright.core.input.riff import read_wav

_GROCERY_CLASSES, _GROCERY_PICTURES = 15, 60


def _spoken(data: Path) -> tuple[list[Array], list[list[str]]]:
    """Return words of the spoken digits, and the digit, speaker and number of each."""
    with zipfile.ZipFile(data / "fsdd" / "recordings.zip") as recordings:
        names = sorted(name for name in recordings.namelist() if name.endswith(".wav"))
        parts = [Path(name).stem.split("_") for name in names]
        chosen = [number for number, part in enumerate(parts) if int(part[2]) % 3 == 0]
        X = [read_wav(recordings.read(names[number]), names[number]).values[:, 0] for number in chosen]
    return X, [parts[number] for number in chosen]


def _digits(data: Path) -> Items:
    X, parts = _spoken(data)
    digits, speakers = np.array([part[0] for part in parts]), np.array([part[1] for part in parts])
    return Items(X, digits, whole_groups(speakers), speakers, rate_hz=8000)


def _speakers(data: Path) -> Items:
    X, parts = _spoken(data)
    y = np.array([part[1] for part in parts])
    return Items(X, y, stratified(y), rate_hz=8000)


def _voices(data: Path) -> Items:
    folder = data / "speechocean762"
    lines = [line.split() for line in (folder / "train" / "spk2gender").read_text().splitlines()]
    gender = {line[0]: line[1] for line in lines}
    files = [file for file in sorted((folder / "WAVE").glob("*.WAV")) if file.stem[1:5] in gender]
    # Of each sentence, the second in the middle.
    waves = [read_wav(file.read_bytes(), file.name).values[:, 0] for file in files]
    X = [wave[max(0, len(wave) // 2 - 8000) :][:16000] for wave in waves]
    y = np.array([gender[file.stem[1:5]] for file in files])
    return Items(X, y, stratified(y), rate_hz=16000)


def _goods(data: Path) -> Items:
    folder = data / "grocery"
    tables = {part: pl.read_csv(folder / f"{part}.csv") for part in ("train", "val")}
    classes = [name for name, _ in Counter(tables["train"]["coarse"].to_list()).most_common(_GROCERY_CLASSES)]
    X, y, test = [], [], []
    for part, table in tables.items():
        kept = table.filter(pl.col("coarse").is_in(classes))
        order = np.random.default_rng(0).permutation(len(kept))
        seen: Counter[int] = Counter()
        with zipfile.ZipFile(folder / f"{part}.zip") as pictures:
            names = {Path(name).name: name for name in pictures.namelist()}
            for row in order:
                file, coarse = str(kept["file"][int(row)]), int(kept["coarse"][int(row)])
                seen[coarse] += 1
                if seen[coarse] <= _GROCERY_PICTURES:
                    X.append(np.asarray(Image.open(io.BytesIO(pictures.read(names[file]))).convert("RGB")))
                    y.append(f"coarse{coarse:02d}")
                    test.append(part == "val")
    return Items(X, np.array(y), np.array(test))


def _things(data: Path) -> Items:
    with np.load(data / "mlperf-tiny" / "ic01" / "cifar10_jpeg_subset.npz") as pictures:
        X, y = pictures["x"], np.char.add("class", pictures["y"].astype(str))
    return Items(list(X), y, stratified(y))


SETS = {
    "fsdd-digits": DataSet("sounds", "accuracy", _digits, "whole speakers, every third word"),
    "fsdd-speakers": DataSet("sounds", "accuracy", _speakers, "30 % of each class, every third word"),
    "speechocean-voices": DataSet("sounds", "accuracy", _voices, "30 % of each class, one second a speaker"),
    "grocery": DataSet(
        "pictures", "accuracy", _goods,
        f"official validation part; {_GROCERY_CLASSES} coarse classes, at most {_GROCERY_PICTURES} pictures each",
    ),
    "cifar-subset": DataSet("pictures", "accuracy", _things, "30 % of each class"),
}  # fmt: skip
