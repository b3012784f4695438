"""`edgewright detect c99`: a fitted detector as C for a microcontroller."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("c99", epilog="Example: edgewright detect c99 pump.detector --out firmware")
@click.argument("file", metavar="FILE.detector|PACKAGE", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("exported"), show_default=True, help="Output folder."
)
@click.option("--name", default="", help="Prefix of names in C; the file's own name by default.")
@click.option("--force", is_flag=True, help="Replace existing files, and remove older ones of this export.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(file: Path, out: Path, name: str, force: bool, as_json: bool) -> None:
    """Write a detector as portable C99: NAME_detect(&context, row, &anomaly), float32.

    A detector of windows builds them from the rows. An autoencoder comes with its network, NAME_net. To write a
    package's model together with its detectors, use edgewright export PACKAGE --to c99.
    """
    from edgewright.cli.detect._rows import opened
    from edgewright.cli.export_files import write_export
    from edgewright.export.c99_code.linkable import linkable
    from edgewright.export.c99_detectors._source import write_detector_c99
    from edgewright.monitor.detector_stream import Watch

    detector = opened(file)
    spec = detector.spec
    # Refuses what a forged file says it learnt.
    Watch(detector)
    word = name or file.name.split(".")[0]
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
    write_export(out, data, f"c99 {word}", {"kind": spec.kind}, force=force, as_json=as_json)
