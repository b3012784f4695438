"""What labelled data say of something that answers: figures with intervals, forms side by side, and needs."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.schema.trace import EvaluationRecord, Interval


class FormScore(msgspec.Struct, frozen=True, kw_only=True):
    """One model file of a package on the same samples.

    Attributes:
        name: 'float', 'int8' or the name of a file.
        figure: accuracy, or the root mean squared error of a regression.
        flips: samples whose class differs from that of the first form, by class of the first.
        difference: largest difference of a regression's answers from the first form's.
        samples: that were compared.
    """

    name: str
    figure: float
    flips: int = 0
    flips_by_class: tuple[tuple[str, int], ...] = ()
    difference: float = 0.0
    samples: int = 0


class NeedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A need such as `accuracy>=0.9`, the figure it is held against, and whether it is met."""

    text: str
    figure: float
    met: bool


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What was scored, on what, and what came out.

    Attributes:
        kind: a file of `cli/scoring`.
        name: name of the model.
        data: file, folder or public set; `part` of it, empty for all.
        samples: that were judged, in `unit`s.
        figures: by name, such as 'accuracy', 'rmse', 'recall'; the names are those of `--need`.
        evaluation: of a classifier or regressor, as a run keeps it.
        forms: model files of a package side by side.
        details: what else the kind of model has to say.
        notes: what a reader must know of the figures.
        needs: that were asked for.
    """

    kind: str
    name: str
    data: str
    part: str = ""
    samples: int
    unit: str
    figures: dict[str, Interval]
    evaluation: EvaluationRecord | None = None
    forms: tuple[FormScore, ...] = ()
    details: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    needs: tuple[NeedRow, ...] = ()
