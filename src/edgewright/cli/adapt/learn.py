"""`edgewright adapt learn`: labelled examples into the state of a device."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.adapt._state import opened, report, restored
from edgewright.cli.labelled_examples import labelled_examples
from edgewright.cli.options import argument, declare, option


@declare("learn", epilog="Example: edgewright adapt learn watch.edge --examples calibration/ --state /var/lib/watch")
def command(
    package: Path = argument(metavar="RUN|PACKAGE"),
    examples: Path = option(
        required=True, metavar="FOLDER|FILE.csv",
        help="One CSV file or folder (of pictures, too) per label, or one file with --label-column.",
    ),
    label_column: str = option(metavar="NAME", help="Column with the labels, if the examples are in one file."),
    state: Path = option(required=True, metavar="DIR", help="Folder of the device's state; made when missing."),
    as_json: bool = option("--json", help="Print the result as JSON."),
) -> None:  # fmt: skip
    """Learn from labelled examples, and keep the state in two slots of a folder.

    The factory's layer goes on answering until the learned one makes fewer errors on the kept examples. The base
    install is enough; the examples stay on the device.
    """
    from edgewright.core.adaptation.slots import Files

    refused = 0
    predictor, _ = opened(package, state)
    found = labelled_examples(examples, predictor.manifest, label_column)
    predictor.check_labels(found)
    with Files(state).locked():
        slots = restored(predictor, state)
        for label, samples in found.items():
            refused += predictor.learn(samples, [label] * len(samples)).refused
        slots.save(predictor.state)
    report(predictor, as_json, refused)
