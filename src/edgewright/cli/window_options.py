"""Options of commands that cut a labelled recording into windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgewright.schema.config import WindowConfig

window_target = click.option(
    "--window-target", type=click.Choice(["last", "mean", "first", "max"]), default="last", show_default=True,
    help="Which row's amount a window is to tell; classes have one label a window.",
)  # fmt: skip


def window_asked(options: Mapping[str, Any], command: str) -> WindowConfig | None:
    """The windows that --window, --step and --window-target ask for; None for rows.

    Raises:
        InputError: a step without a window.
    """
    from edgewright.schema.config import WindowConfig
    from edgewright.schema.errors import InputError

    if options["step"] and not options["window"]:
        raise InputError("--window beside --step", "none", command)
    if not options["window"]:
        return None
    return WindowConfig(samples=options["window"], step=options["step"], target=options["window_target"])
