"""The key ceremony: which keys were made, where to store each one, and how to check the copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgewright.fleet.protocol.layout import OFFLINE, RELEASES, ROOT, TARGETS
from edgewright.schema.fleet_folder import Ceremony, KeyMade, RoleKeys

SHORT = 16
_FOR = {
    ROOT: "defines which keys are trusted; once a year, and when a key is lost or stolen",
    TARGETS: "defines who may publish packages and control rollouts; rarely",
    RELEASES: "signs packages and plans; used for each of them, at least every 90 days",
    "rollouts": "picks the stage of a rollout within its signed plan; the control plane, daily",
    "snapshot": "defines which metadata belong together; the control plane, daily",
    "timestamp": "states which version is newest; the control plane, daily",
}

_FOR_STICKS = _FOR | {
    RELEASES: "signs packages and plans for sticks; with each stick that carries new ones",
    "rollouts": "states the rollout stages on a stick; with each stick",
    "snapshot": "defines which metadata of a stick belong together; with each stick",
    "timestamp": "states which stick is newer; with each stick",
}


def ceremony(
    folder: Path, root: str, roles: Sequence[RoleKeys], new_keys: Sequence[KeyMade], *, stick: bool = False
) -> Ceremony:
    """Return the instructions for a person who made a fleet or its repository for USB sticks.

    Args:
        folder: folder of the fleet.
        root: SHA-256 of the root's bytes.
        roles: roles with their thresholds.
        new_keys: every key.
        stick: whether this is the repository for USB sticks.
    """
    return Ceremony(
        folder=str(folder), root=root, roles=tuple(roles), keys=tuple(new_keys), stick=stick,
        steps=_steps(folder, root, roles, stick), warnings=_warnings(roles, new_keys),
    )  # fmt: skip


def _steps(folder: Path, root: str, roles: Sequence[RoleKeys], stick: bool) -> tuple[str, ...]:
    counts = {role.role: len(role.keys) for role in roles if role.role in OFFLINE}
    maximum = max(counts.values())
    online = (
        f"{folder}/keys/online and a releases key go to the person who writes sticks: every stick needs all these keys."
        if stick
        else f"{folder}/keys/online stays on the control plane's machine, readable only by its user. Encrypt"
        " every backup that contains it; replace a lost online key with `edgewright fleet key rotate`."
    )
    believed = (
        f"A device takes {folder}/public/metadata/1.root.json with `edgewright device trust-root --stick`, and"
        " trusts no other stick."
        if stick
        else "A device that enrols with this fingerprint trusts no other root."
    )
    return (
        f"Write the root's fingerprint on paper and check it: sha256sum {folder}/public/metadata/1.root.json"
        f" must say {root}. {believed}",
        f"Take {maximum} media (USB sticks, or encrypted disks of different people). From {folder}/keys/offline copy, "
        f"each with its .pub file, {'; '.join(_onto(number, counts) for number in range(1, maximum + 1))}.",
        "Check each copy on another machine: sha256sum of both files must agree, and"
        f" `edgewright fleet key list --fleet {folder} --keys MEDIUM` must show 'at hand' for the medium's keys.",
        f"Delete the copied files from {folder}/keys/offline. Store the keys of root and targets in safes in different"
        f" places; a releases key stays with the person who {'writes sticks' if stick else 'publishes'}.",
        online,
        f"Back up {folder}/public: every version of the root must be {'kept' if stick else 'served'} permanently.",
    )


def _onto(medium: int, counts: Mapping[str, int]) -> str:
    """Return which keys go onto a medium."""
    files = [f"{role}-{medium}.key" for role, count in counts.items() if medium <= count]
    several = f"{', '.join(files[:-1])} and {files[-1]}" if len(files) > 1 else files[0]
    return f"onto medium {medium} {several}"


def _warnings(roles: Sequence[RoleKeys], new_keys: Sequence[KeyMade]) -> tuple[str, ...]:
    lines = ["All keys are on this machine: its user controls the fleet. Use this for tests only; do the steps above"
            " before the first real device enrols."]  # fmt: skip
    if not any(key.encrypted for key in new_keys):
        lines.append("The offline keys have no passphrase; --passphrase-file FILE gives them one.")
    for role in roles:
        if role.role in (ROOT, TARGETS) and role.threshold == 1:
            lines.append(f"A single key signs {role.role}: an attacker who steals it can replace everything below.")
        if role.role == ROOT and role.threshold == len(role.keys):
            lines.append("Do not lose any root key: every device would need a visit (edgewright device trust-root).")
    return tuple(lines)


def lines(ceremony: Ceremony) -> list[str]:
    """Return the ceremony as text."""
    tasks = _FOR_STICKS if ceremony.stick else _FOR
    text = [
        f"{'repository for sticks' if ceremony.stick else 'fleet'} in {ceremony.folder}",
        f"root fingerprint (SHA-256 of 1.root.json): {ceremony.root}",
        "",
    ]
    for role in ceremony.roles:
        text.append(f"{role.role}: {role.threshold} of {len(role.keys)} keys; {tasks[role.role]}; until {role.expires}")
        for key in ceremony.keys:
            if key.role == role.role:
                kind = "offline" if key.offline else "online "
                shut = "with passphrase" if key.encrypted else "no passphrase"
                text.append(f"  {kind} {key.key[:SHORT]}  {key.file}  ({shut})")
    text += ["", "Next steps:"]
    text += [f"  {number}. {step}" for number, step in enumerate(ceremony.steps, 1)]
    text += ["", *(f"warning: {warning}" for warning in ceremony.warnings)]
    then = f"publish PACKAGE --fleet {ceremony.folder}"
    if ceremony.stick:
        then = f"stick write MOUNT --fleet {Path(ceremony.folder).parent}"
    text += ["", f"Next: edgewright fleet {then}"]
    return text
