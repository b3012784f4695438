"""One prediction that was asked for, layer by layer."""

from __future__ import annotations

from edgewright.schema.trace import Part, PredictionRecord


class Explained(Part, frozen=True, kw_only=True):
    """A prediction with the place its sample came from.

    Attributes:
        run: name of the pipeline that answers.
        place: 'row 17 of the data', 'new.csv line 18'; rows and windows are counted from 1.
        prediction: layer by layer; its own `row` counts from 0.
        outside: columns with a value outside the declared range, each as a sentence.
        notes: what a reader must know.
    """

    run: str
    place: str
    prediction: PredictionRecord
    outside: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
