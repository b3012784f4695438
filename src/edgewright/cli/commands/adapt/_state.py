"""What the commands of `edgewright adapt` share: a package, and the state of a device in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.cli.command import Result

if TYPE_CHECKING:
    from edgewright.core.adaptation.predictor import AdaptedPredictor
    from edgewright.core.adaptation.slots import Slots


def opened(package: Path, folder: Path) -> tuple[AdaptedPredictor, Slots[Any]]:
    """Return a package with what its device has learned, and where that is kept.

    Raises:
        InputError: the state is a file, or a package that does not learn.
    """
    from edgewright.core.adaptation.predictor import AdaptedPredictor
    from edgewright.core.package import read_package
    from edgewright.core.predictor import package_path
    from edgewright.schema.errors import InputError

    if folder.exists() and not folder.is_dir():
        raise InputError("a folder", "a file", str(folder), "Name the folder of the device's state")
    predictor = AdaptedPredictor(read_package(package_path(package)))
    return predictor, restored(predictor, folder)


def restored(predictor: AdaptedPredictor, folder: Path) -> Slots[Any]:
    """Give a predictor what is kept now, and return where."""
    from edgewright.core.adaptation.slots import Files, Origin, Slots

    origin: Origin[Any] = predictor.factory
    slots = Slots(Files(folder), origin)
    predictor.restore(slots.load())
    return slots


def report(predictor: AdaptedPredictor, refused: int | None = None) -> Result:
    """Return what a device has learned."""
    from edgewright.core.adaptation.affine import AffineState, way_text

    state, labels = predictor.state, predictor.manifest.labels
    counts = {label: int(count) for label, count in zip(labels, state.counts, strict=True) if count}
    also: dict[str, object]
    if isinstance(state, AffineState):
        also, kept = {"axes": way_text(state.way)}, ""
        reading = f"the axes are read as {way_text(state.way)}" if state.used else "the axes are read as they are"
    else:
        also, kept = {"kept": state.kept}, f"; {state.kept} kept"
        reading = "the learned layer answers" if state.used else "the factory's layer answers"
    each = ", ".join(f"{label} {count}" for label, count in counts.items()) or "none"
    lines = [f"{predictor.manifest.name}: learned from {state.examples} examples ({each}){kept}"]
    if refused:
        lines.append(f"refused {refused} examples with missing values or values that their sensor cannot give")
    record = {
        "package": predictor.manifest.name, "layer": predictor.factory.spec.layer, "examples": state.examples,
        "labels": counts, **also, "refused": refused or 0, "used": bool(state.used),
    }  # fmt: skip
    return Result(record, [*lines, reading])
