"""A plan file: stages, gates, cohorts, windows and trial as TOML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.fleet.protocol.plans.options import PlanOptions


def read_plan(path: Path | None) -> PlanOptions:
    """Return what a plan file says; the defaults without one.

    Raises:
        InputError: it cannot be read, or says what a plan cannot.
    """
    from edgewright.core.files import os_errors
    from edgewright.fleet.protocol.plans.detection import as_stated
    from edgewright.fleet.protocol.plans.options import PlanOptions

    if path is None:
        return PlanOptions()
    try:
        with os_errors(InputError, "a plan file", path):
            content = msgspec.toml.decode(path.read_bytes())
        options = msgspec.convert(content, PlanOptions)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a plan as TOML", str(error), str(path)) from None
    if "unconfirmed" in content:
        return msgspec.structs.replace(options, unconfirmed=as_stated(options.unconfirmed))
    return options
