"""What the test pictures say of a model that finds objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.pictures import png
from edgewright.core.prediction.objects import find_objects, probability, read_objects
from edgewright.data.boxes import read_centres
from edgewright.schema.data import Floats, Labels, Samples
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.objects import Centre, FoundObject, ObjectClass, ObjectMap, ObjectsRecord, Scene, Spot
from edgewright.schema.trace import EvaluationRecord, GroupRow, Interval
from edgewright.training.centroids import Counts, count

_SCENES, _GROUPS = 6, 50
F1 = "f1"
"""Name of the figure."""


def sample_map(spec: ObjectMap, samples: Samples) -> ObjectMap:
    """Return how a map is read in pixels of a sample."""
    height, width = (int(n) for n in samples.X.shape[2:])
    return msgspec.structs.replace(spec, height=height, width=width)


def counted(texts: Labels, maps: Floats, spec: ObjectMap) -> Counts:
    """Return how many objects of each picture and class were found.

    Args:
        texts: targets.
        maps: answers of the model, shape (n, values of the map).
        spec: how they are read.
    """
    return count(find_objects(maps, spec), _known(texts, spec), spec)


def graph_f1(texts: Labels, maps: Floats, graph: Graph, groups: Labels | None) -> Interval:
    """Return F1 of an exported form, with its interval by picture.

    Args:
        texts: targets.
        maps: answers of the form.
        graph: of the form, which says how they are read.
        groups: of the pictures, None where unknown.
    """
    spec = read_objects(graph.metadata)
    if spec is None:
        raise InputError("a graph that says how its map is read", "none", graph.name)
    return counted(texts, maps, spec).f1_interval(groups)


def objects_text(maps: Floats, spec: ObjectMap) -> str:
    """Return what is found in the first map: '2 apple, 1 milk', or 'no object'."""
    return _spots_text(spec.labels[spot.label] for spot in find_objects(maps[:1], spec)[0])


def truths_text(text: str) -> str:
    """Return what is in a picture, as `objects_text`."""
    return _spots_text(centre.label for centre in read_centres([text])[0])


def _spots_text(labels: Iterable[str]) -> str:
    return ", ".join(f"{number} {label}" for label, number in sorted(Counter(labels).items())) or "no object"


def evaluate_objects(
    samples: Samples, rows: NDArray[np.int64], maps: Floats, spec: ObjectMap, *, split_by: str
) -> EvaluationRecord:
    """Return the evaluation of a model that finds objects.

    Args:
        samples: all samples.
        rows: those that test.
        maps: answers to them.
        spec: how they are read, in pixels of a sample.
        split_by: what the split kept whole.
    """
    groups, objects = None if samples.groups is None else samples.groups[rows], find_objects(maps, spec)
    evaluation = evaluate_found(samples.y[rows], objects, spec, groups, split_by=split_by)
    few = zip(rows[:_SCENES], read_centres(samples.y[rows[:_SCENES]]), objects, strict=False)
    scenes = tuple(_scene(samples, int(row), spec, true, some) for row, true, some in few)
    record = None if isinstance(evaluation.objects, msgspec.UnsetType) else evaluation.objects
    return (
        evaluation
        if record is None
        else msgspec.structs.replace(evaluation, objects=msgspec.structs.replace(record, scenes=scenes))
    )


def evaluate_found(
    texts: Labels, objects: Sequence[tuple[FoundObject, ...]], spec: ObjectMap, groups: Labels | None, *, split_by: str
) -> EvaluationRecord:
    """Return the evaluation of objects that were found, without pictures.

    Args:
        texts: targets.
        objects: objects of each picture, the surest first.
        spec: labels and sizes.
        groups: of the pictures, None where unknown.
        split_by: what the split kept whole.
    """
    true = _known(texts, spec)
    counts = count(objects, true, spec)
    classes = tuple(
        ObjectClass(
            label=label, precision=counts.precision(index), recall=counts.recall(index),
            f1=counts.f1_interval(groups, index), true=int(counts.true[:, index].sum()),
            detected=int(counts.detected[:, index].sum()),
        )
        for index, label in enumerate(spec.labels)
    )  # fmt: skip
    whole = counts.f1_interval(groups)
    return EvaluationRecord(
        samples=len(texts),
        split_by=split_by,
        groups=_groups(counts, groups),
        regression={F1: whole.value, "precision": counts.precision(), "recall": counts.recall()},
        intervals={F1: whole},
        objects=ObjectsRecord(spec=spec, classes=classes, crowded=_crowded(true, spec), scenes=()),
    )


def _groups(counts: Counts, groups: Labels | None) -> tuple[GroupRow, ...]:
    """Return F1 of each group, the worst first; none where all pictures are one group."""
    if groups is None or len(np.unique(groups)) == 1:
        return ()
    mine = [(str(name), np.flatnonzero(groups == name)) for name in np.unique(groups)]
    rows = [GroupRow(group=name, samples=len(some), regression={F1: counts.f1(some)}) for name, some in mine]
    return tuple(sorted(rows, key=lambda row: row.regression[F1])[:_GROUPS])


def _known(texts: Labels, spec: ObjectMap) -> list[tuple[Centre, ...]]:
    centres = read_centres(texts)
    for centre in (centre for some in centres for centre in some):
        if centre.label not in spec.labels:
            raise InputError("test labels that also occur in training", repr(centre.label), "the target")
    return centres


def _crowded(true: list[tuple[Centre, ...]], spec: ObjectMap) -> int:
    cells = [(i, centre.label, int(centre.x * spec.columns), int(centre.y * spec.rows)) for i, some in enumerate(true)
             for centre in some]  # fmt: skip
    return len(cells) - len(set(cells))


def _scene(
    samples: Samples, row: int, spec: ObjectMap, true: tuple[Centre, ...], objects: tuple[FoundObject, ...]
) -> Scene:
    return Scene(
        row=row,
        name=str(samples.sessions[row]),
        picture=png(samples.X[row]),
        true=tuple(Spot(label=centre.label, x=centre.x * spec.width, y=centre.y * spec.height) for centre in true),
        detected=tuple(
            Spot(label=spec.labels[centre.label], x=centre.x, y=centre.y, chance=round(probability(centre.score), 4))
            for centre in objects
        ),
    )
