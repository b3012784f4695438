"""What lies in `deploy`, read: rules, panels, the composition; and the metrics that docs/operations.md names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

from support import ROOT

DEPLOY = ROOT / "deploy"


def rules() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield names and rules, in their order."""
    for group in yaml.safe_load((DEPLOY / "rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule


def panels() -> list[dict[str, Any]]:
    """Of the dashboard, rows among them."""
    return list(json.loads((DEPLOY / "grafana" / "fleet.json").read_text())["panels"])


def shown() -> dict[str, str]:
    """Query of the dashboard by panel and letter."""
    return {
        f"{one['title']} {target['refId']}": target["expr"] for one in panels() for target in one.get("targets", ())
    }


def queries() -> dict[str, str]:
    """All queries by the name of their rule or panel."""
    return {**{name: rule["expr"] for name, rule in rules()}, **shown()}


def compose() -> dict[str, Any]:
    """Return the composition as it stands."""
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return services


def documented() -> list[str]:
    """Return names of metrics in the table of docs/operations.md, but for those that PostgreSQL does not have."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = text.partition("| metric (`")[2].partition("\n\n")[0]
    prefix = table.partition("...`)")[0]
    lines = [line for line in table.splitlines()[2:] if "SQLite alone" not in line]
    names = [name for line in lines for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    return [prefix + name for name in names]
