"""Weights of coins, in one file of numbers: the weight and whether the coin is genuine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording


def _load(config: SourceConfig, folder: Path) -> DataSet:
    (path, *_) = files.need_files(folder, "coins.txt")
    rows = files.table_by_rows(path, 2)
    recording = Recording(
        name="coins", values=rows[:, :1].astype(np.float32), target=np.where(rows[:, 1] > 0, "genuine", "forged")
    )
    return DataSet(name="coins", columns=files.columns("g", "weight"), recordings=(recording,), target_name="coin")


SETS = {
    "coins": PublicSet(
        title="Coins: weights of genuine and forged ones",
        homepage="https://example.org/coins",
        url="https://example.org/coins.txt",
        check="200 coins",
        licence="CC0",
        citation="A set that exists in this test alone, to show what a set has to state.",
        task="coins: 2 classes, rows",
        loader=_load,
        folder="coins",
        documented=(Documented("whole set", recordings=1, rows=200),),
    )
}
