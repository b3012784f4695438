"""What learning curves are measured on."""

from __future__ import annotations

from typing import Protocol


class Learner(Protocol):
    """Something that can be trained on a part of its data and judged on what stays out.

    Attributes:
        name: of the data.
        model: what is trained, in words.
        error: what `judge` gives, in words: 'error rate', 'root mean squared error'.
        share: whether that is a share of one.
        unit: what a subset keeps whole.
        samples: training samples of the whole, the mean over folds.
        pieces: wholes that a subset is drawn from; in the fold that has fewest.
        draws: factor on how often each size is drawn; less for what takes long to train.
        scalable: whether `width` has a meaning.
        judges: samples that judge, where the error is the share of them that is wrong; 0 where it is not.
        fingerprint: of data, model and metric.
    """

    name: str
    model: str
    error: str
    share: bool
    unit: str
    samples: float
    pieces: int
    draws: float
    scalable: bool
    judges: int
    fingerprint: str

    def judge(self, share: float, repeat: int, *, pool: float = 1.0, width: float = 1.0) -> float:
        """The error of a model that was trained on a part of the data, on the samples that no training ever sees.

        Args:
            share: of the whole; drawn anew for every `repeat`, in whole pieces but for the last, smaller ones within
                larger ones.
            repeat: number of the draw and of the model's seed.
            pool: share of the whole that subsets are drawn from; it is the same for every repeat.
            width: factor on the width of every hidden layer.
        """

    def parameters(self, width: float) -> int:
        """Parameters of the model at a width."""
