"""What a change changes, for the person who is asked to sign it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuf.api.metadata import Root, Targets

from edgewright.fleet.repository import changes, metadata
from edgewright.schema.fleet_folder import Change

_SHORT = 16


def told(before: Mapping[str, bytes], asked: Change) -> list[str]:
    """Lines that say what every role of a change gains and loses.

    Args:
        before: metadata that the change builds upon.
        asked: the change.
    """
    lines = [asked.about]
    for role, data in sorted(changes.role_files(asked).items()):
        new = metadata.read(data, role).signed
        old = metadata.read(before[role], role).signed if role in before else None
        was = f" after {old.version}" if old else ""
        lines.append(f"{role}: version {new.version}{was}, holds until {new.expires.isoformat()}")
        lines += [f"  {line}" for line in (*_targets(old, new), *_keys(old, new))]
    return [plain(line) for line in lines]


def plain(text: str) -> str:
    """Text of other people for a terminal: what does not print, such as what erases a line, becomes '?'."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _targets(old: Any, new: Any) -> list[str]:  # noqa: ANN401 - Root or Targets
    if not isinstance(new, Targets):
        return []
    before = old.targets if isinstance(old, Targets) else {}
    lines = []
    for path, file in sorted(new.targets.items()):
        if before.get(path) != file:
            sign = "changes" if path in before else "adds"
            custom = file.custom if isinstance(file.custom, dict) else {}
            notes = ", ".join(f"{k} {v}" for k, v in custom.items() if v not in (None, "", [], False))
            lines.append(f"{sign} {path}, {file.length:,} bytes, SHA-256 {file.hashes.get('sha256', '?')}: {notes}")
    return lines + [f"takes away {path}" for path in sorted(before.keys() - new.targets.keys())]


def _keys(old: Any, new: Any) -> list[str]:  # noqa: ANN401 - Root or Targets
    before, after = _named(old), _named(new)
    lines = []
    for role, (threshold, keys) in after.items():
        was, had = before.get(role, (0, set()))
        lines += [f"{key[:_SHORT]} may sign {role} from now on" for key in sorted(keys - had)]
        lines += [f"{key[:_SHORT]} may no longer sign {role}" for key in sorted(had - keys)]
        if threshold != was:
            lines.append(f"{role} needs {threshold} of {len(keys)} signatures" + (f", before {was}" if was else ""))
    return lines


def _named(signed: Any) -> dict[str, tuple[int, set[str]]]:  # noqa: ANN401 - Root or Targets
    """Threshold and key ids by role that this metadata names."""
    if isinstance(signed, Root):
        return {name: (role.threshold, set(role.keyids)) for name, role in signed.roles.items()}
    if not isinstance(signed, Targets) or signed.delegations is None:
        return {}
    if signed.delegations.succinct_roles is not None:
        bins = signed.delegations.succinct_roles
        return {f"{bins.name_prefix} (hash bins)": (bins.threshold, set(bins.keyids))}
    return {name: (role.threshold, set(role.keyids)) for name, role in (signed.delegations.roles or {}).items()}
