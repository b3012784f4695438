"""Writers of integer operators for cores with dual 16-bit multiply-accumulate (docs/research/generated-code.md).

Every module of this folder is a family, found by name. A writer gives None, having written nothing, for an operator
whose bounds it cannot prove; the portable form is written then.
"""

from __future__ import annotations

from collections.abc import Callable

from edgewright.core import catalogue
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_operators import Site

PREFIX = "dual "
"""Begins the kinds of work that steps of this folder do."""
DualWriter = Callable[[Site], Source | None]
# Inputs of a dense layer from which on the vectors of bytes that its portable form takes are faster.
_LONG = 48
dual = catalogue.Registry[DualWriter](__name__)
"""Registers the writer of kinds of integer operators."""


def write_dual(site: Site) -> Source | None:
    """Return the output of an operator as written for these cores; None where that cannot be done."""
    if site.unit.vectors and site.operator.kind == "dense" and site.operator.arrays["weights"].shape[1] >= _LONG:
        return None
    site.unit.work = f"{PREFIX}{site.operator.kind}"
    writer = dual.known.get(site.operator.kind)
    return writer(site) if writer is not None else None
