"""Let a package learn on its device from a few labelled examples, and see before deployment what it gains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import labelled_examples, listed, settings_of
from edgewright.cli.text import describe
from edgewright.core.errors import FolderMissingError, OptionsConflictError, TooFewSamplesError

if TYPE_CHECKING:
    from edgewright.core.adaptation.affine import Slots
    from edgewright.core.adaptation.predictor import AdaptedPredictor
    from edgewright.workflows.adaptation import Examples

EXAMPLE = "simulate runs/watch --examples 65s"


def opened(package: Path, folder: Path) -> tuple[AdaptedPredictor, Slots[Any]]:
    """Return a package with what its device has learned, and where that is kept.

    Raises:
        InputError: the state is a file, or a package that does not learn.
    """
    from edgewright.core.adaptation.predictor import AdaptedPredictor
    from edgewright.core.package import read_package
    from edgewright.core.predictor import package_path

    if folder.exists() and not folder.is_dir():
        raise FolderMissingError("a folder", "a file", str(folder), "Name the folder of the device's state")
    predictor = AdaptedPredictor(read_package(package_path(package)))
    return predictor, restored(predictor, folder)


def restored(predictor: AdaptedPredictor, folder: Path) -> Slots[Any]:
    """Give a predictor what is kept now, and return where."""
    from edgewright.core.adaptation.affine import Files, Origin, Slots

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


@declare(example="watch.edge --examples calibration/ --state /var/lib/watch")
def learn(
    package: Path = argument(metavar="RUN|PACKAGE"),
    examples: Path = option(
        required=True, metavar="FOLDER|FILE.csv",
        help="One CSV file or folder (of pictures, too) per label, or one file with --label-column.",
    ),
    label_column: str = option(metavar="NAME", help="Column with the labels, if the examples are in one file."),
    state: Path = option(required=True, metavar="DIR", help="Folder of the device's state; made when missing."),
) -> Result:  # fmt: skip
    """Learn from labelled examples, and keep the state in two slots of a folder.

    The factory's layer goes on answering until the learned one makes fewer errors on the kept examples. The base
    install is enough; the examples stay on the device.
    """
    from edgewright.core.adaptation.affine import Files

    refused = 0
    predictor, _ = opened(package, state)
    by_label = labelled_examples(examples, predictor.manifest, label_column)
    predictor.check_labels(by_label)
    with Files(state).locked():
        slots = restored(predictor, state)
        for label, samples in by_label.items():
            refused += predictor.learn(samples, [label] * len(samples)).refused
        slots.save(predictor.state)
    return report(predictor, refused)


@declare(example="watch.edge --state /var/lib/watch")
def status(
    package: Path = argument(metavar="RUN|PACKAGE"),
    state: Path = option(required=True, metavar="DIR", help="Folder of the device's state."),
) -> Result:
    """Report the learned examples of each label, and whose layer answers."""
    predictor, _ = opened(package, state)
    return report(predictor)


@declare(example="watch.edge --state /var/lib/watch")
def undo(
    package: Path = argument(metavar="RUN|PACKAGE"),
    state: Path = option(required=True, metavar="DIR", help="Folder of the device's state."),
) -> Result:
    """Forget all that a device has learned: the factory's layer answers, after a restart too."""
    from edgewright.core.adaptation.affine import Files

    predictor, _ = opened(package, state)
    with Files(state).locked():
        slots = restored(predictor, state)
        predictor.restore(slots.undo())
    return report(predictor)


@dataclass(frozen=True, kw_only=True)
class SimulateOptions:
    """Options of the command."""

    model: Path = argument(metavar="RUN|PACKAGE")
    data: str = option(
        metavar="DATA", help="File or folder with labels, or a public set. [default: the run's test part]"
    )
    by: str = option(type=click.Choice(["person"]), default="person", help="Who calibrates a device.")
    examples: str = option(
        metavar="30s|12", help="Labelled examples of each class: seconds, or samples. [default: 30s]"
    )
    first: str = option(
        metavar="300s", help="Label all samples of each person's first stretch of time, of whatever class, instead."
    )
    worn: str = option(
        metavar="AXES",
        help="Wear the sensors another way, such as -x,-y,z; for the layer 'affine'. [default: as recorded]",
    )
    people: str = option(metavar="A,B", help="Only these people.")
    kind: str = option(metavar="NAME", help="Kind of source or public set of DATA; detected from the path by default.")
    target: str = option(metavar="COLUMN", help="Column with the labels; that of the training data by default.")
    group: str = option(metavar="COLUMN", help="Column with the person or machine.")
    settings: tuple[str, ...] = option("--set", metavar="KEY=VALUE", help="Option of the loader.")


@declare(example="runs/watch --examples 65s")
def simulate(options: SimulateOptions) -> Result:
    """Let each unseen person calibrate a device with the first examples; judge all later samples.

    The examples are the first of each class, or with --first all of a stretch of time. The device's own integers
    learn. People whom the model was fitted on are left out. The output lists for whom the answers get worse, and for
    whom they would without the guard.
    """
    with loading():
        from edgewright.workflows.adaptation import simulate
        from edgewright.workflows.scoring.rows import ScoreRequest

    request = ScoreRequest(
        data=options.data, kind=options.kind, target=options.target, group=options.group,
        settings=settings_of(options.settings),
    )  # fmt: skip
    simulation = simulate(options.model, request, _examples(options), listed(options.people), options.worn)
    earlier = ["the figures are of the earlier fit, which has not seen these people; the package that ships was fitted "
               "on them too"]  # fmt: skip
    return Result(simulation, [*describe(simulation), *(earlier if simulation.shipped else ())])


def _examples(options: SimulateOptions) -> Examples:
    """Return how much is labelled.

    Raises:
        InputError: no amount of seconds or samples, or both options.
    """
    from edgewright.cli.options import seconds_of
    from edgewright.workflows.adaptation import Examples

    if options.first:
        if options.examples:
            raise OptionsConflictError("one of --examples and --first", "both", "options")
        return Examples(seconds_of(options.first, "--first"), "first")
    text = options.examples or "30s"
    if text.isdigit():
        if not int(text):
            raise TooFewSamplesError("at least one sample of each class", text, "--examples")
        return Examples(float(text), "samples")
    return Examples(seconds_of(text, "--examples"), "seconds")
