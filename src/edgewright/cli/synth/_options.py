"""What `synth signals` and `synth worth` take alike: data, and a method with its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgewright.schema.data import DataSet

_OPTIONS = (
    click.argument("data"),
    click.option("--kind", default="", help="Source or public set; judged by the path when left out."),
    click.option("--target", default="", help="Column with the label."),
    click.option("--group", default="", help="Column with the person or machine of a row."),
    click.option("--session", default="", help="Column with the session of a row."),
    click.option("--time", default="", help="Column with the time of a row."),
    click.option("--ignore", multiple=True, metavar="COLUMN", help="Column that is no measurement; may be repeated."),
    click.option("--method", required=True,
                 help="dropout, generate, jitter, noise, room, rotation, scaling, time_warp."),
    click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="Option of the method, such as "
                 "degrees=30; may be repeated."),
    click.option("--copies", type=click.IntRange(1, 100), default=1, show_default=True, help="Of each recording."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all that is drawn."),
)  # fmt: skip


def data_and_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options in this order."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read(data: str, kind: str, named: Mapping[str, object]) -> DataSet:
    """The data set at a path.

    Raises:
        InputError: as `data.load.load_data`.
    """
    from edgewright.data.load import guess, load_data

    table = {"kind": kind, "path": data} if kind else guess(data)
    return load_data({**table, **{key: value for key, value in named.items() if value}}, seed=0, where="synth")


def values(options: tuple[str, ...]) -> dict[str, object]:
    """`degrees=30 fill=hold together=true` as numbers, text and truth.

    Raises:
        InputError: for an option without '='.
    """
    import msgspec

    from edgewright.schema.errors import InputError

    found: dict[str, object] = {}
    for option in options:
        key, sign, value = option.partition("=")
        if not sign or not key:
            raise InputError("KEY=VALUE", repr(option), "--set")
        try:
            found[key] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            found[key] = value
    return found


def free(out: Path, force: bool) -> None:
    """Refuses to replace a file.

    Raises:
        InputError: it is there.
    """
    from edgewright.schema.errors import InputError

    if out.exists() and not force:
        raise InputError("a new file", "one that is there", str(out), "Use --force to replace it")
