"""A transition of a rollout, worked out and not yet done: what `rollouts` signs and commits."""

from __future__ import annotations

from typing import Any

import msgspec


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One transition, worked out but not done.

    Attributes:
        what: for the audit log, such as 'rollout.paused'.
        plan: its rollout; empty where only metadata changes.
        seen: the rollout's version that this follows; 0 for a new one.
        values: columns that change.
        why: for people.
        roles: metadata of offline roles that comes in; `roots` of several versions in order.
    """

    what: str
    plan: str = ""
    seen: int = 0
    values: dict[str, Any] = {}
    why: str = ""
    roles: dict[str, bytes] = {}
    roots: tuple[bytes, ...] = ()
