"""Pictures of one thing from one place on both sides of a split are found; other pictures are not."""

from __future__ import annotations

import numpy as np

from edgewright.core.records.data import Column, Samples, Split
from edgewright.data.splits import overlap


def sides(copies: int) -> tuple[Samples, Split]:
    """Return 200 random pictures of four labels; the first test pictures are training pictures with noise."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (200, 3, 8, 8))
    coarse[100 : 100 + copies] = coarse[:copies]
    X = np.repeat(np.repeat(coarse, 4, axis=2), 4, axis=3) + rng.normal(0, 8, (200, 3, 32, 32))
    y = np.array(["a", "b", "c", "d"] * 50)
    places = np.arange(200)
    samples = Samples(
        X=X.astype(np.float32), y=y, groups=None, sessions=places.astype(str), starts=np.zeros(200, np.int64),
        columns=tuple(Column(name=name) for name in ("red", "green", "blue")),
    )  # fmt: skip
    return samples, Split(train=places[:100], validation=places[:0], test=places[100:], by="row")


def test_near_copies_are_counted() -> None:
    samples, split = sides(30)
    (finding,) = overlap(samples, split, None)
    assert finding.kind == "near-copies"
    assert finding.severity == "warning"
    # One picture in a hundred is as near by chance.
    assert 30 <= finding.numbers["pictures"] <= 31
    assert "of 100 test pictures are almost a training picture of the same label" in finding.sentence


def test_pictures_of_other_things_are_no_copies() -> None:
    samples, split = sides(0)
    assert overlap(samples, split, None) == ()
