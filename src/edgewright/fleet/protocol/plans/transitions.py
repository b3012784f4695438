"""The states of a rollout and their transitions: data that the server, the signer and the restore share.

Only the data is shared. The signer checks each step with code of its own (`fleet/server/signer/rules.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.schema.fleet_plan import State

TRANSITIONS: Mapping[State, tuple[State, ...]] = {
    "running": ("paused", "finished", "aborted"),
    "paused": ("running", "finished", "aborted"),
    "finished": ("aborted",),
    "aborted": (),
}
"""Allowed next states of each state. The rows are in order of strictness, the strictest last."""
UNDER_WAY = tuple(state for state, following in TRANSITIONS.items() if "finished" in following)
