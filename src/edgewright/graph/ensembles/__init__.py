"""Boosted trees as their own tools store them: a file here for each format, found by name.

A reader gives the operators that an ONNX converter would have written, so that everything behind it is one way.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewright.core import catalogue
from edgewright.graph.from_onnx_parse import Parsed
from edgewright.schema.errors import InputError

_HEAD = 64


@dataclass(frozen=True)
class Format:
    """The one object `FORMAT` of a file.

    Attributes:
        title: of the tool.
        fits: whether the first bytes of a file are those of this format.
        read: reads the whole file; raises `InputError` for what has no place in the dialect.
    """

    title: str
    fits: Callable[[bytes], bool]
    read: Callable[[bytes], Parsed]


def format_of(data: bytes) -> Format | None:
    """Return the format of a file by its first bytes; None for any other file."""
    found: list[Format] = [
        importlib.import_module(f"{__name__}.{name}").FORMAT for name in catalogue.listing(__name__, "FORMAT")
    ]
    return next((known for known in found if known.fits(data[:_HEAD])), None)


def is_ensemble(path: Path) -> bool:
    """Return whether a file holds boosted trees of another tool."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return format_of(file.read(_HEAD)) is not None


def read_ensemble(data: bytes, name: str) -> Parsed | None:
    """Return the model in the bytes; None for any other file. `name` is for messages.

    Raises:
        InputError: for a damaged file, or one that has no place in the dialect.
    """
    known = format_of(data)
    if known is None:
        return None
    try:
        return known.read(data)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        got = "one that ends early or has other contents"
        raise InputError(f"a whole model of {known.title}", got, f"model {name}", "Save it again") from None
    except InputError as error:
        raise InputError(error.expected, error.got, f"model {name}", error.do) from None
