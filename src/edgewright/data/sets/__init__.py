"""Public sets: `facts.toml` says what each is; the modules read their files, a family each, and offer `SETS`."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import msgspec

from edgewright.data.contract import Facts


@cache
def _table() -> dict[str, Facts]:
    return msgspec.toml.decode((resources.files(__name__) / "facts.toml").read_bytes(), type=dict[str, Facts])


def facts(name: str) -> dict[str, Any]:
    """Return what `facts.toml` says of a public set, as keys of `PublicSet` and `PublicText`."""
    return {key: getattr(_table()[name], key) for key in Facts.__dataclass_fields__}
