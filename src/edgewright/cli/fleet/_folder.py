"""What the commands that sign in a fleet's folder share: options, passphrases, and saying what became of a change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from edgewright.schema.fleet_folder import Settled

F = TypeVar("F", bound=Callable[..., object])


def fleet_option(function: F) -> F:
    """`--fleet DIR`."""
    return click.option(
        "--fleet", "folder", type=click.Path(path_type=Path), default=Path(), metavar="DIR",
        help="Folder of the fleet; the current one when left out.",
    )(function)  # fmt: skip


def keys_options(function: F) -> F:
    """`--keys PATH`, `--passphrase-file FILE`."""
    for decorate in (passphrase_option, _keys):
        function = decorate(function)
    return function


def _keys(function: F) -> F:
    return click.option(
        "--keys", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
        help="Folder or file with more keys, such as a stick; may be given several times.",
    )(function)  # fmt: skip


def passphrase_option(function: F) -> F:
    """`--passphrase-file FILE`."""
    return click.option(
        "--passphrase-file", "passphrase_files", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
        help="File with a passphrase of offline keys in its first line; may be given several times.",
    )(function)  # fmt: skip


def prepare_option(function: F) -> F:
    """`--prepare FILE`."""
    return click.option(
        "--prepare", type=click.Path(path_type=Path), metavar="FILE",
        help="Do not publish: write the change to FILE for others to sign (fleet key sign FILE).",
    )(function)  # fmt: skip


def passphrases(files: tuple[Path, ...]) -> tuple[bytes, ...]:
    """Return contents of the files.

    Raises:
        InputError: one cannot be read or is empty.
    """
    from edgewright.fleet.protocol.keys.files import read_passphrase

    return tuple(read_passphrase(file) for file in files)


def say(settled: Settled, folder: Path) -> None:
    """Print what became of a change."""
    click.echo(settled.about)
    if settled.state == "published":
        click.echo("published")
    elif settled.state == "waiting":
        click.echo(f"signed; `edgewright fleet serve {folder}` takes it in and publishes it")
    else:
        for line in settled.lacking:
            click.echo(f"  {line}")
        click.echo(f"prepared {settled.file}; others sign it: edgewright fleet key sign {settled.file} --keys PATH")
        click.echo(f"then publish it here: edgewright fleet finish {settled.file} --fleet {folder}")
