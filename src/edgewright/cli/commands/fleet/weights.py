"""`edgewright fleet weights`: signed weights for microcontrollers whose code stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._folder import PASSPHRASES, passphrases
from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE
from edgewright.core.errors import ExistingFileError, InputError, OptionMissingError, SigningKeyError

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

    from edgewright.export.slots import Layout


@declare(example="runs/pump --layout firmware/pump_layout.json --key boards.key --counter 7 --out pump.weights")
def command(
    run_or_package: Path = argument(metavar="RUN|PACKAGE"),
    layout_file: Path = option(
        "--layout", required=True, metavar="FILE", help="NAME_layout.json next to the code that the boards run."
    ),
    key: Path = option(required=True, metavar="FILE", help="Private half of the key that the code was exported with."),
    counter: int = option(
        required=True,
        type=click.IntRange(1, 2**32 - 1),
        metavar="N",
        help="Number above that of all earlier weights: boards accept nothing older.",
    ),
    out: Path | None = option(type=FILE, metavar="FILE", help="Output file; NAME.weights by default."),
    into: Path | None = option(
        type=FILE,
        metavar="PACKAGE",
        help="Write this package with the weights in it, to deliver them to gateways.",
    ),
    back_to: Path | None = option(
        type=FILE,
        metavar="PACKAGE|WEIGHTS",
        help="With --into: the weights that boards have now; signed again as N + 1 for a rollback.",
    ),
    force: bool = option(help="Replace the file."),
    passphrase_files: tuple[Path, ...] = PASSPHRASES,
) -> Result:
    """Sign the constants of RUN for boards whose code was exported with --slots.

    The file includes test vectors, which each board answers before it uses the weights. If the run needs other code
    than the boards have, a firmware update is necessary: nothing is written, and the exit code is 1. A board that has
    confirmed weights accepts nothing older; --back-to provides the weights to which gateways return their boards if a
    rollout is aborted.
    """
    with loading():
        from edgewright.core.files import write_atomic
        from edgewright.core.package import read_package
        from edgewright.core.predictor import Predictor, package_path
        from edgewright.device.boards.weights import parse_weights, renumbered, weights_at, with_weights
        from edgewright.export.contract import read_subject
        from edgewright.export.slots import weights_body

    layout, signer = _layout_and_key(layout_file, key, passphrase_files)
    path = out or Path(f"{layout.name}.weights" if into is None else f"{into.stem}-{layout.name}.edge")
    carrier = None if into is None else read_package(into)
    if back_to is not None and carrier is None:
        raise OptionMissingError(
            "--into beside --back-to", "none", "--back-to", "Only packages support rollback weights"
        )
    if path.exists() and not force:
        raise ExistingFileError("an unused name", "a file", str(path), "Use --force to replace it")
    package = read_package(package_path(run_or_package))
    # A package that does not prove itself here is nothing to send to a board.
    Predictor(package, form=layout.form, rows=1)
    subject = replace(
        read_subject(package_path(run_or_package), form=layout.form, rounding=layout.rounding), name=layout.name
    )
    body = weights_body(subject, package, layout, counter)
    data = body + bytes.fromhex(signer.sign(body).signature)
    weights = parse_weights(data, str(path))
    back = None
    if back_to is not None:
        older = renumbered(weights_at(back_to, weights.layout), counter + 1)
        back = older + bytes.fromhex(signer.sign(older).signature)
    write_atomic(path, data if carrier is None else with_weights(carrier, layout.name, data, back))

    def text() -> Iterator[str]:
        yield f"{path}: weights {counter} of {package.manifest.name}, {weights.length:,} bytes"
        yield (
            f"  {weights.constants:,} bytes of constants, {weights.vectors} test vectors, for layout {layout.hash[:16]}"
        )
        if back is not None:
            yield f"  way back: the weights of {back_to} as {counter + 1}; the next ones need {counter + 2} or more"
        elif carrier is not None:
            yield "  no rollback: boards that confirm them keep them when the release is recalled (--back-to)"

    return Result(
        {
            "file": str(path),
            "bytes": weights.length,
            "counter": counter,
            "weights": weights.digest.hex(),
            "layout": layout.hash,
            "vectors": weights.vectors,
            "way_back": None if back is None else counter + 1,
        },
        text(),
    )


def _layout_and_key(layout_file: Path, key: Path, passphrase_files: tuple[Path, ...]) -> tuple[Layout, CryptoSigner]:
    """Return the layout of the boards' code, and the private half of the key that it was exported with.

    Raises:
        InputError: one of them cannot be read, or they do not belong together.
    """
    from edgewright.core.files import os_errors
    from edgewright.export.slots import read_layout
    from edgewright.fleet.protocol.keys import read_key

    with os_errors(InputError, "NAME_layout.json", layout_file):
        layout = read_layout(layout_file.read_bytes(), str(layout_file))
    signer = read_key(key, passphrases(passphrase_files))
    if signer is None:
        raise SigningKeyError("a passphrase that opens the key", "none", str(key), "Give --passphrase-file")
    if signer.public_key.keyval["public"] != layout.key:
        raise SigningKeyError(f"the key of the boards, {layout.key[:16]}...", "another", str(key))
    return layout, signer
