"""What a device keeps and what of it may leave: events, raw rows and an outbox that survive power cuts.

Public names load on first use: the agent of a fleet needs the small files of this folder alone, and no NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgewright.device.store.outbox import Outbox as Outbox
    from edgewright.device.store.outbox import Taken as Taken
    from edgewright.device.store.store import Store as Store

_PUBLIC = {"Outbox": "outbox", "Taken": "outbox", "Store": "store"}
__all__ = ["Outbox", "Store", "Taken"]


def __getattr__(name: str) -> object:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
