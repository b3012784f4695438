"""Settings that a release carries, for tests: a rule about a column, beside a summary's length."""

from __future__ import annotations

from pathlib import Path

RULE = """name = "level"
states = ["low", "high"]
initial = "low"
fallback = "stay"
[[steps]]
state = "low"
event = "row"
when = "{column} > {limit}"
to = "high"
actions = [{{ {action} }}]
[[steps]]
state = "high"
event = "row"
when = "{column} < {limit}"
to = "low"
"""


def release_settings(
    folder: Path, more: str = "", *, column: str = "level", limit: float = 0.0, action: str = 'event = "up"'
) -> Path:
    """Write settings with a rule in a folder of their own; their path."""
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    (folder / "rules" / "level.toml").write_text(RULE.format(column=column, limit=limit, action=action))
    path = folder / "pump-settings.toml"
    path.write_text(f'[[rules]]\npath = "rules/level.toml"\n{more}')
    return path
