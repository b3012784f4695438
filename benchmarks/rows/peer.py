"""What a person writes by hand: Polars, a split by chance, and scikit-learn's HistGradientBoosting as it comes.

python -m benchmarks.rows.peer FILE
"""

from __future__ import annotations

import sys

import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split


def main(path: str) -> None:
    """Print the share of right answers on a fifth of the rows."""
    frame = pl.read_csv(path) if path.endswith(".csv") else pl.read_parquet(path)
    states, readings = frame["state"].to_numpy(), frame.drop("state").to_numpy()
    X, rest, y, truth = train_test_split(readings, states, test_size=0.2, random_state=0, stratify=states)
    print(HistGradientBoostingClassifier(random_state=0).fit(X, y).score(rest, truth))


if __name__ == "__main__":
    main(sys.argv[1])
