"""Creates unsigned metadata for the offline keys: the first version, renewals and key changes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Delegations, Role, Root, Targets

from edgewright.fleet.protocol.layout import ONLINE, PACKAGES, PLANS, RELEASES, ROLLOUTS, ROOT, TARGETS
from edgewright.fleet.repository import metadata
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.fleet_folder import RoleKeys

ROLES = (ROOT, TARGETS, RELEASES, *ONLINE)
_PATHS = {RELEASES: [f"{PACKAGES}/*", f"{PLANS}/*"], ROLLOUTS: [f"{ROLLOUTS}/*"]}


def first(keys: Mapping[str, Sequence[Key]], thresholds: Mapping[str, int], now: float) -> dict[str, bytes]:
    """Create the first, unsigned metadata of root, targets and releases.

    Args:
        keys: public halves by role, for all six roles.
        thresholds: required signatures by role.
        now: seconds since 1970.

    Raises:
        InputError: a threshold is higher than the number of keys.
    """
    for role in ROLES:
        _check_threshold(role, len(keys[role]), thresholds[role])
    roles = {name: Role([key.keyid for key in keys[name]], thresholds[name]) for name in metadata.TOP}
    known = {key.keyid: key for name in metadata.TOP for key in keys[name]}
    root = Root(1, None, metadata.expiry(ROOT, now), known, roles, True)
    delegated = {
        name: DelegatedRole(name, [key.keyid for key in keys[name]], thresholds[name], True, paths)
        for name, paths in _PATHS.items()
    }
    delegations = Delegations({key.keyid: key for name in _PATHS for key in keys[name]}, delegated)
    signed = {
        ROOT: root,
        TARGETS: Targets(1, None, metadata.expiry(TARGETS, now), {}, delegations),
        RELEASES: Targets(1, None, metadata.expiry(RELEASES, now), {}),
    }
    return {name: metadata.sign(value, []) for name, value in signed.items()}


def next_signed(role_files: Mapping[str, bytes], role: str, now: float) -> Any:  # noqa: ANN401 - Root or Targets
    """Return a copy of a role's signed part with the next version and a new expiry.

    Args:
        role_files: metadata by role.
        role: an offline role.
        now: seconds since 1970.
    """
    signed = copy.deepcopy(metadata.read(role_files[role], role).signed)
    signed.version += 1
    signed.expires = metadata.expiry(role, now)
    return signed


def refreshed(role_files: Mapping[str, bytes], roles: Iterable[str], now: float) -> dict[str, bytes]:
    """Return unsigned metadata of roles with the same content and a new expiry."""
    return {role: metadata.sign(next_signed(role_files, role, now), []) for role in roles}


def bins(role_files: Mapping[str, bytes]) -> list[str]:
    """Return the names of the hash bins below `releases`; empty if there are few packages."""
    if RELEASES not in role_files:
        return []
    delegations = metadata.read(role_files[RELEASES], RELEASES).signed.delegations
    return [] if delegations is None else list(delegations.succinct_roles.get_roles())


def offline_roles(role_files: Mapping[str, bytes]) -> list[str]:
    """Return the roles that offline keys sign, including hash bins."""
    return [ROOT, TARGETS, RELEASES, *bins(role_files)]


def role_of(role_files: Mapping[str, bytes], role: str) -> Role:
    """Return key ids and threshold of one of the six roles.

    Raises:
        UnknownNameError: the role does not exist.
    """
    if role not in ROLES:
        raise UnknownNameError("role", role, ROLES)
    above = metadata.delegator(role)
    role_found: Role = metadata.read(role_files[above], above).signed.get_delegated_role(role)
    return role_found


def keys_of(role_files: Mapping[str, bytes], role: str) -> list[Key]:
    """Return the public halves of a role's keys."""
    above = metadata.delegator(role)
    signed = metadata.read(role_files[above], above).signed
    return [signed.get_key(name) for name in role_of(role_files, role).keyids]


def change_keys(
    role_files: Mapping[str, bytes], role: str, *, remove: Iterable[str] = (), add: Iterable[Key] = (),
    threshold: int | None = None, now: float,
) -> dict[str, bytes]:  # fmt: skip
    """Change the keys of a role and return, unsigned, all metadata that must be signed again because of it.

    Args:
        role_files: metadata by role.
        role: one of the six roles.
        remove: ids of keys to remove.
        add: public halves of keys to add.
        threshold: new number of required signatures; None keeps it.
        now: seconds since 1970.

    Returns:
        The delegator's metadata, and the role's own if offline keys sign it.

    Raises:
        InputError: a key id is unknown, or too few keys remain for the threshold.
    """
    named = role_of(role_files, role)
    above = metadata.delegator(role)
    changed = next_signed(role_files, above, now)
    for name in remove:
        if name not in named.keyids:
            known = ", ".join(key[:16] for key in named.keyids)
            raise InputError(f"a key of {role}: {known}", name[:16])
        changed.revoke_key(name, role)
    for key in add:
        changed.add_key(key, role)
    after = changed.get_delegated_role(role)
    after.threshold = named.threshold if threshold is None else threshold
    _check_threshold(role, len(after.keyids), after.threshold)
    written: dict[str, Any] = {above: changed}
    if role in (TARGETS, RELEASES):
        written[role] = next_signed(role_files, role, now)
    if role == RELEASES and written[role].delegations is not None:
        _follow(written[role], after, changed)
        written |= {name: next_signed(role_files, name, now) for name in bins(role_files)}
    return {name: metadata.sign(value, []) for name, value in written.items()}


def _follow(releases: Targets, after: Role, targets: Targets) -> None:
    """Give the hash bins the keys and the threshold of `releases`."""
    delegations = releases.delegations
    if delegations is None or delegations.succinct_roles is None:
        return
    delegations.succinct_roles.keyids = list(after.keyids)
    delegations.succinct_roles.threshold = after.threshold
    delegations.keys = {name: targets.get_key(name) for name in after.keyids}


def _check_threshold(role: str, count: int, threshold: int) -> None:
    if not 1 <= threshold <= count:
        raise InputError(f"a threshold of {role} from 1 to its number of keys ({count})", str(threshold))
    if role in ONLINE and threshold != 1:
        raise InputError(f"a threshold of 1 for the online role {role}", str(threshold), do="One process signs it")


def role_keys(role_files: Mapping[str, bytes]) -> list[RoleKeys]:
    """Return the keys, threshold and expiry of each of the six roles."""
    records = []
    for role in ROLES:
        named = role_of(role_files, role)
        signed = metadata.read(role_files[role], role).signed if role in role_files else None
        records.append(
            RoleKeys(
                role=role, threshold=named.threshold, keys=tuple(named.keyids),
                version=signed.version if signed else 0, expires=signed.expires.isoformat() if signed else "",
            )
        )  # fmt: skip
    return records
