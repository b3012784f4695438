"""MLPerf Tiny: the inputs of the keyword and of the image benchmark, exactly as they are fed to the models.

`kws01/kws01.npz`: int8 MFCC, 49 frames of 10 coefficients for a second of sound; `ic01/*.npz`: pictures of 32 x 32
pixels in three colours. The benchmark's own inputs are not one download: the arrays are made from a copy of its
repositories.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.data.sources.pictures import picture_columns
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.errors import InputError

Array = NDArray[Any]

# Order of the benchmark's outputs.
WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MLPerf Tiny inputs.

    Attributes:
        benchmark: 'keywords': a recording of 49 rows of 10 columns each; 'images': colour pictures, 32 x 32.
    """

    benchmark: Literal["keywords", "images"] = "keywords"


def _keywords(x: Array, y: Array) -> DataSet:
    recordings = tuple(
        Recording(name=f"input-{i:03d}", values=frames.astype(np.float32), target=files.same(WORDS[k], len(frames)))
        for i, (frames, k) in enumerate(zip(x, y, strict=True))
    )
    columns = tuple(Column(name=f"mfcc_{i}", unit="1", minimum=-128.0, maximum=127.0) for i in range(x.shape[2]))
    return _set(columns, recordings, "keyword", 50.0)  # frames every 20 ms


def _images(x: Array, y: Array) -> DataSet:
    pictures = x.transpose(0, 3, 1, 2).astype(np.float32)
    return _set(
        picture_columns(True), (Recording(name="images", values=pictures, target=np.array(THINGS)[y]),), "thing", None
    )


def _set(columns: tuple[Column, ...], recordings: tuple[Recording, ...], target: str, rate: float | None) -> DataSet:
    return DataSet(
        name="mlperf_tiny",
        columns=columns,
        recordings=recordings,
        rate=rate,
        target_name=target,
    )


def _load(config: Config, folder: Path) -> DataSet:
    kinds = {"keywords": ("kws01.npz", 3, len(WORDS), _keywords), "images": ("cifar10_*.npz", 4, len(THINGS), _images)}
    pattern, dimensions, classes, make = kinds[config.benchmark]
    path = files.need_files(folder, pattern)[0]
    archive = files.read_arrays(path, "x", "y")
    x, y = archive["x"], archive["y"]
    if x.ndim != dimensions or len(x) != len(y) or not ((y >= 0) & (y < classes)).all():
        raise InputError(f"x of {dimensions} dimensions and a class below {classes} for each", str(x.shape), str(path))
    return make(x, y)


SET = PublicSet(
    title="MLPerf Tiny: inputs of the keyword and image benchmarks",
    homepage="https://github.com/mlcommons/tiny",
    licence="models Apache-2.0; keyword inputs derived from Speech Commands v2 (CC BY 4.0); CIFAR-10 states no licence",
    citation="Banbury et al.: MLPerf Tiny Benchmark. NeurIPS Datasets 2021. Warden: Speech Commands. arXiv 1804.03209.",
    task="keywords: 12 classes, 49 frames of MFCC; images: 10 classes, 32 x 32 pixels",
    config=Config,
    loader=_load,
    folder="mlperf-tiny",
    documented=(Documented("plain copy, 500 keyword inputs", recordings=500, rows=24_500),),
    whole=True,
)
