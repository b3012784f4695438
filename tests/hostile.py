"""A record whose every text is an attack: names of columns, labels, people and files come from data."""

from __future__ import annotations

from typing import Any

import msgspec

import trace_example
from edgewright.core.records.trace import Trace

NAME = """<script>window.harmed=1</script><img src=x onerror="window.harmed=1"><b class=harm>'"&{{ 7*7 }}{% raw %}"""
# Texts that choose a form of the page or stand in a formula of the record, not from data.
_OURS = {"how", "state", "task", "unit", "kind", "verdict", "activation", "method"}


def trace() -> Trace:
    """Return the example, spoiled."""
    content: Any = msgspec.to_builtins(trace_example.trace(3))
    content["scaling"] = msgspec.to_builtins(trace_example.scaling())
    return msgspec.convert(_spoiled(content), Trace, strict=False)


def _spoiled(part: Any, key: str = "") -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(part, dict):
        named = key in ("regression", "versions", "settings", "exponents", "numbers")
        return {(f"{NAME}{k}" if named else k): _spoiled(v, k) for k, v in part.items()}
    if isinstance(part, list | tuple):
        return [_spoiled(value, key) for value in part]
    if isinstance(part, str) and key not in _OURS:
        return f"{NAME}{part}"
    return part
