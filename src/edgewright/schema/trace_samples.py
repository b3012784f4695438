"""Samples that the page of a run shows, one of each class, and what their answers rest on."""

from __future__ import annotations

from typing import Literal

from edgewright.schema.trace_flow import Part

Score = Literal["log-odds", "probability", "prediction"]


class Effect(Part, frozen=True, kw_only=True):
    """A column or feature of one sample: its value, and how much the answer's lead falls with its mean instead."""

    name: str
    value: float
    drop: float


class ClassSample(Part, frozen=True, kw_only=True):
    """One sample of a class (of a regression: of a part of its span) that was not used for testing.

    Attributes:
        row: number of the sample in the data, from 0.
        truth: its class or amount; `answer` that of the exported float model, `confidence` its probability.
        values: float32, little-endian, row by row: every `step`-th of each channel's values.
        step: 1 where `values` is the whole sample.
        drops: of a window, for each channel and part of it, how much the answer's lead falls when the channel's mean
            stands there instead; one row where all channels were replaced together; empty for rows.
        effects: the columns, or of windows the features, that matter most to this answer.
    """

    row: int
    truth: str
    answer: str
    confidence: float
    values: bytes
    step: int = 1
    drops: tuple[tuple[float, ...], ...] = ()
    effects: tuple[Effect, ...] = ()


class Channel(Part, frozen=True, kw_only=True):
    """A column or channel as the samples that may be looked at have it: its finite range, mean and deviation."""

    name: str
    unit: str = ""
    low: float
    high: float
    mean: float
    deviation: float


class ClassSamples(Part, frozen=True, kw_only=True):
    """A sample of each class.

    Attributes:
        side: where they are from: never the test samples.
        shape: of one sample: (columns,) or (channels, samples).
        channels: the columns, in order.
        samples: in the order of the classes.
        classes: how many there are; more than samples where some are not shown.
        score: what a lead over the next class is measured in; of a regression its prediction.
    """

    side: Literal["validation", "training"]
    shape: tuple[int, ...]
    channels: tuple[Channel, ...]
    samples: tuple[ClassSample, ...]
    classes: int
    score: Score = "probability"
