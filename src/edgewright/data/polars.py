"""Polars, which is imported when a table of it is read or made; rows of CSV are read without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewright.core.catalogue import LateModule

__all__ = ["pl"]
if TYPE_CHECKING:
    import polars as pl
else:
    pl = LateModule("polars")
