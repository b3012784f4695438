"""What learning on the device would do, before deployment: the record of `edgewright adapt simulate`."""

from __future__ import annotations

import msgspec

from edgewright.schema.trace import Interval


class AdaptedPerson(msgspec.Struct, frozen=True, kw_only=True):
    """What learning would do for one person or machine.

    Attributes:
        name: of the person.
        examples: labelled ones; `samples` are those judged, all later than the examples.
        before, after: shares of right answers of the factory's layer and as the device answers after the examples.
        unguarded: of the learned layer, whether or not the device uses it.
        used: whether it does.
    """

    name: str
    examples: int
    samples: int
    before: float
    after: float
    unguarded: float
    used: bool


class AdaptedClass(msgspec.Struct, frozen=True, kw_only=True):
    """What learning would do for one class, over the samples of all people together.

    Attributes:
        label: of the class.
        samples, people: judged samples of the class, and the people who have one.
        before, after: F1 of the factory's answers and of the device's after the examples; intervals over people.
        unguarded: F1 of the learned layer, whether or not the devices use it.
        gain: of F1, with its interval over people.
    """

    label: str
    samples: int
    people: int
    before: Interval
    after: Interval
    unguarded: float
    gain: Interval


class ShippedFit(msgspec.Struct, frozen=True, kw_only=True):
    """What learning does to the package that ships, on people whom it was fitted on as well.

    Attributes:
        before, after: means over people, better than they would be for people never seen.
        losing: people with more than a point less.
    """

    before: float
    after: float
    losing: tuple[str, ...]


class AdaptSimulation(msgspec.Struct, frozen=True, kw_only=True):
    """What learning on the device would do for people that the model has not seen.

    Attributes:
        name: of the package; `layer` is what it learns, `data` what was judged.
        examples: of each class, as asked for, such as '65s'; 'first 300s' is a person's first stretch of time.
        people: in the order of their gains, the largest loss first.
        before, after, gain: means over people, with intervals over people.
        gain_without_best: without the person who gains most; None with one person.
        shipped: the package, where an earlier fit is judged because the package was fitted on these people too.
        classes: with samples that are judged.
        losing: people with more than a point less; `losing_unguarded` would be without the guard.
        state_bytes: of a device's RAM; each of two slots of flash takes about as much.
        notes: what to know about the figures.
    """

    name: str
    layer: str
    data: str
    examples: str
    people: tuple[AdaptedPerson, ...]
    before: Interval
    after: Interval
    gain: Interval
    gain_without_best: Interval | None = None
    shipped: ShippedFit | None = None
    classes: tuple[AdaptedClass, ...] = ()
    losing: tuple[str, ...]
    losing_unguarded: tuple[str, ...]
    state_bytes: int
    notes: tuple[str, ...] = ()
