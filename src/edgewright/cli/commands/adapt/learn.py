"""`edgewright adapt learn`: labelled examples into the state of a device."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.adapt._state import opened, report, restored
from edgewright.cli.labelled_examples import labelled_examples


@declare(example="watch.edge --examples calibration/ --state /var/lib/watch")
def command(
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
    from edgewright.core.adaptation.slots import Files

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
