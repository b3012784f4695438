"""A program that could be written for a device: what it holds, and what one call of it does."""

from __future__ import annotations

import msgspec

DETECTOR = "detector"
"""What kinds of work of detectors begin with."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """Generated C, counted before it is compiled.

    Attributes:
        name: of the model.
        constants: bytes of its tables, exact.
        values: bytes of static memory for values, exact.
        written: how often each kind of expression, loop or call stands in the code.
        run: how often each is worked out in one call.
        network: bytes of the tables that the integer network reads; 0 for a float one.
    """

    name: str
    constants: int
    values: int
    written: dict[str, float]
    run: dict[str, float]
    network: int = 0
