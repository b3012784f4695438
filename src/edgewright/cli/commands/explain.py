"""Explain an error code."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from edgewright.cli.command import Result, argument, declare
from edgewright.core.errors import UnknownNameError


@declare(example="csv-number")
def command(code: str = argument()) -> Result:
    """Explain CODE, which an error message shows in brackets, and say what to do."""
    explanations: dict[str, str] = tomllib.loads((files("edgewright.core") / "errors.toml").read_text("utf-8"))
    name = code.removeprefix("error[").rstrip("]:")
    if name not in explanations:
        raise UnknownNameError("error code", name, explanations)
    return Result({"code": name, "explanation": explanations[name]}, [explanations[name]])
