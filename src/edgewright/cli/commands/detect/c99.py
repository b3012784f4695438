"""`edgewright detect c99`: a fitted detector as C for a microcontroller."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.export_files import OutOptions, write_export


@declare(example="pump.detector --out firmware", json="Print what was written as JSON.")
def command(options: OutOptions, file: Path = argument(metavar="FILE.detector|PACKAGE")) -> Result:
    """Write a detector as portable C99: NAME_detect(&context, row, &anomaly), float32.

    A detector of windows builds them from the rows. An autoencoder comes with its network, NAME_net. To write a
    package's model together with its detectors, use edgewright export PACKAGE --to c99.
    """
    from edgewright.cli.commands.detect._rows import opened
    from edgewright.export.c99_code.linkable import linkable
    from edgewright.export.c99_detectors._source import write_detector_c99
    from edgewright.monitor.detector_stream import Watch

    detector = opened(file)
    spec = detector.spec
    # Refuses what a forged file says it learnt.
    Watch(detector)
    word = options.name or file.name.split(".")[0]
    files = write_detector_c99(
        spec.kind,
        detector.learnt,
        name=word,
        columns=tuple(column.name for column in spec.columns),
        threshold=spec.threshold.value,
        refractory=spec.refractory,
        window=spec.window,
    )
    data = {name: text.encode() for name, text in linkable(files, word).items()}
    return write_export(options, data, f"c99 {word}", {"kind": spec.kind})
