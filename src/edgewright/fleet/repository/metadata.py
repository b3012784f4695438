"""Signed metadata as bytes: parsing, signing, verification, lifetimes and file names."""

from __future__ import annotations

import copy
import datetime
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Signed,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError

from edgewright.core.errors import MetadataVersionError, ReleaseError, SignatureError, UnknownNameError
from edgewright.core.records.fleet import FORMAT, Plan, Release
from edgewright.fleet.protocol.layout import (
    ABORTED,
    BINS_ABOVE,
    INDEX,
    LONGEST,
    ONLINE,
    PACKAGES,
    PLANS,
    RELEASES,
    ROLLOUTS,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Published,
    RoleKeys,
    package_target,
    plan_target,
)

# The number of bins can never change, since a role cannot leave the snapshot. A bin of 1,000 packages has 400 kB.
_BITS, _BIN = 5, PACKAGES


def package_file(published: Published, data: bytes) -> TargetFile:
    """Return the metadata entry of a release."""
    release = published.release
    custom: dict[str, Any] = {"format": FORMAT, "product": release.product, "counter": release.counter}
    more: dict[str, Any] = {
        "package": release.package,
        "profiles": list(release.profiles),
        "least": release.minimum_version,
    }
    more |= {"revert": published.revert, "of": published.of if published.revert else 0, "notes": published.notes}
    # Omit empty fields: a device reads up to a thousand entries in one file.
    custom |= {name: value for name, value in more.items() if value}
    return target(release.target, data, custom)


def plan_file(plan: Plan, data: bytes) -> TargetFile:
    """Return the metadata entry of a plan."""
    custom = {"format": FORMAT, "product": plan.release.product, "counter": plan.release.counter}
    return target(plan_target(plan.id), data, custom)


def listed(role_files: Mapping[str, bytes]) -> list[Published]:
    """Return all signed releases, sorted by product and counter.

    Raises:
        InputError: this version cannot read a target.
    """
    entries = [
        _published(path, file)
        for role in (RELEASES, *bins(role_files))
        for path, file in read(role_files[role], role).signed.targets.items()
        if path.startswith(f"{PACKAGES}/")
    ]
    return sorted(entries, key=lambda p: (p.release.product, p.release.counter))


def plans(role_files: Mapping[str, bytes]) -> dict[str, tuple[str, int]]:
    """Return SHA-256 and length of all signed plans by id."""
    files = read(role_files[RELEASES], RELEASES).signed.targets.items()
    start = len(f"{PLANS}/")
    return {p[start:-5]: (f.hashes["sha256"], f.length) for p, f in files if p.startswith(f"{PLANS}/")}


def aborted(role_files: Mapping[str, bytes]) -> tuple[int, frozenset[str]]:
    """Return the version of `releases` and the plans that it aborts; 0 if there are none."""
    signed = read(role_files[RELEASES], RELEASES).signed if RELEASES in role_files else None
    plan_names = (
        {path for path, file in signed.targets.items() if (file.custom or {}).get(ABORTED) is True} if signed else {}
    )
    names = frozenset(path[len(f"{PLANS}/") : -5] for path in plan_names)
    return (int(signed.version) if signed and names else 0), names


def with_abort(role_files: Mapping[str, bytes], plan: str, now: float) -> dict[str, bytes]:
    """Return unsigned metadata of `releases` that aborts the rollout of a plan.

    The plan stays a target, since devices with its release need it for the rollback.

    Raises:
        InputError: the plan is not signed, or its abort is already signed.
    """
    signed: Targets = next_signed(role_files, RELEASES, now)
    file = signed.targets.get(plan_target(plan))
    if file is None:
        known = ", ".join(sorted(plans(role_files))) or "none"
        raise SignatureError("a plan that was signed offline", f"{plan!r}; signed are: {known}", "PLAN")
    if plan in aborted(role_files)[1]:
        raise SignatureError("an abort that is not signed offline yet", f"one that is, of {plan}", RELEASES)
    file.unrecognized_fields["custom"] = {**(file.custom or {}), ABORTED: True}
    return {RELEASES: sign(signed, [])}


def find(role_files: Mapping[str, bytes], product: str, counter: int | None = None) -> Published:
    """Return a release of a product by counter; without a counter, the newest that is not a rollback release.

    Raises:
        InputError: the release does not exist.
    """
    of_product = [p for p in listed(role_files) if p.release.product == product]
    matches = [p for p in of_product if (not p.revert if counter is None else p.release.counter == counter)]
    if not matches:
        known = ", ".join(str(p.release.counter) for p in of_product) or "none"
        wanted = "a release" if counter is None else f"release {counter}"
        raise ReleaseError(
            f"{wanted} of {product}", f"these: {known}", do="Publish one: edgewright fleet publish PACKAGE"
        )
    return matches[-1]


def revert_of(role_files: Mapping[str, bytes], release: Release) -> Release | None:
    """Return the rollback release that was signed with a release; None if there is none."""
    for published in listed(role_files):
        same = published.release.product == release.product and published.release.counter == release.counter + 1
        if same and published.revert:
            return published.release
    return None


def with_targets(role_files: Mapping[str, bytes], files: Iterable[TargetFile], now: float) -> dict[str, bytes]:
    """Add targets to `releases` or its hash bins and return the changed metadata, unsigned.

    Args:
        role_files: metadata by role.
        files: new packages and plans; their paths must not be in use.
        now: seconds since 1970.

    Raises:
        InputError: a path is in use.
    """
    releases: Targets = next_signed(role_files, RELEASES, now)
    roles: dict[str, Targets] = {}
    new = list(files)
    packages = [file for file in new if file.path.startswith(f"{PACKAGES}/")]
    held_packages = sum(path.startswith(f"{PACKAGES}/") for path in releases.targets)
    if releases.delegations is None and held_packages + len(packages) > BINS_ABOVE:
        roles |= _split(role_files, releases, now)
    for file in new:
        role, location = RELEASES, releases
        if file in packages and releases.delegations is not None and releases.delegations.succinct_roles is not None:
            role = releases.delegations.succinct_roles.get_role_for_target(file.path)
            location = roles[role] if role in roles else next_signed(role_files, role, now)
        if file.path in location.targets:
            raise ReleaseError(
                "a name that is not in use", file.path, do="Released names and counters cannot be reused"
            )
        location.targets[file.path] = file
        roles[role] = location
    return {role: sign(signed, []) for role, signed in roles.items()}


def _split(role_files: Mapping[str, bytes], releases: Targets, now: float) -> dict[str, Targets]:
    """Move packages from `releases` into hash bins with the same keys."""
    named = role_of(role_files, RELEASES)
    above = read(role_files[TARGETS], TARGETS).signed
    succinct = SuccinctRoles(list(named.keyids), named.threshold, _BITS, _BIN)
    releases.delegations = Delegations({name: above.get_key(name) for name in named.keyids}, None, succinct)
    bins_new = {name: Targets(1, None, expiry(name, now), {}) for name in succinct.get_roles()}
    for path in [path for path in releases.targets if path.startswith(f"{PACKAGES}/")]:
        bins_new[succinct.get_role_for_target(path)].targets[path] = releases.targets.pop(path)
    return {RELEASES: releases, **bins_new}


def _published(path: str, file: TargetFile) -> Published:
    custom = file.custom if isinstance(file.custom, dict) else {}
    number = custom.get("format")
    if not isinstance(number, int) or number > FORMAT:
        do = "A newer Edgewright published it: upgrade"
        raise MetadataVersionError(f"a release of format {FORMAT} or older", repr(number), path, do)
    record = {name: custom[name] for name in ("product", "counter", "package", "profiles", "least") if name in custom}
    try:
        release = msgspec.convert(
            {**record, "target": path, "sha256": file.hashes["sha256"], "length": file.length}, type=Release
        )
        rest = {name: custom[name] for name in ("revert", "of", "notes") if name in custom}
        published = msgspec.convert({"of": release.counter, **rest, "release": release}, type=Published)
    except (msgspec.ValidationError, KeyError) as error:
        raise ReleaseError("a release", str(error), path) from None
    if path != package_target(release.product, release.counter):
        raise ReleaseError(package_target(release.product, release.counter), path, "releases")
    return published


TOP = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
_TYPES: dict[str, type[Signed]] = {ROOT: Root, SNAPSHOT: Snapshot, TIMESTAMP: Timestamp}
# A device counts a lifetime from the latest signed time that it knows, which is older than the signature.
SLACK = 600.0
"""Seconds by which a lifetime is shorter than the permitted maximum."""


def read(data: bytes, role: str) -> Metadata[Any]:
    """Parse the metadata of a role without verifying its signatures.

    Raises:
        InputError: the bytes are not metadata, or are metadata of another type.
    """
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(data)
    except (DeserializationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignatureError(f"signed metadata of {role}", str(error) or type(error).__name__, f"role {role}") from None
    wanted = _TYPES.get(role, Targets)
    if not isinstance(metadata.signed, wanted):
        raise SignatureError(f"metadata of the kind {wanted.type}", metadata.signed.type, f"role {role}")
    return metadata


def version(role_files: Mapping[str, bytes], role: str) -> int:
    """Return the version of a role's metadata; 0 if there is none."""
    return int(read(role_files[role], role).signed.version) if role in role_files else 0


def lifetime(role: str) -> float:
    """Return the lifetime of a role's metadata in seconds; hash bins have that of `releases`."""
    return LONGEST.get(role, LONGEST[RELEASES]) - SLACK


def expiry(role: str, now: float, longest: float | None = None) -> datetime.datetime:
    """Return the expiry of metadata that is signed now.

    Args:
        role: name of the role.
        now: seconds since 1970.
        longest: lifetime in seconds; None for the role's own.
    """
    seconds = lifetime(role) if longest is None else longest
    return datetime.datetime.fromtimestamp(int(now + seconds), datetime.UTC)


def sign(signed: Signed, signers: Iterable[Signer]) -> bytes:
    """Sign metadata and return the bytes to publish."""
    metadata: Metadata[Any] = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def verify(role_files: Mapping[str, bytes], role: str, data: bytes) -> None:
    """Verify that enough keys of the role, as its delegator defines them, signed these bytes.

    Args:
        role_files: metadata of the delegators: 'root', for a delegated role also 'targets', for a hash bin 'releases'.
        role: role of the metadata.
        data: the metadata.

    Raises:
        InputError: there are too few signatures, or the role does not exist.
    """
    above = delegator(role)
    if above not in role_files:
        raise SignatureError(f"the metadata of {above}", "none", f"role {role}")
    metadata = read(data, role)
    try:
        read(role_files[above], above).signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        where = f"{role} version {metadata.signed.version}"
        do = "List the keys of each role: edgewright fleet key list"
        raise SignatureError(f"{role} signed by the keys that {above} names", str(error), where, do) from None


def delegator(role: str) -> str:
    """Return the role that names a role's keys: root, targets, or `releases` for a hash bin."""
    return ROOT if role in TOP else TARGETS if role in (RELEASES, ROLLOUTS) else RELEASES


def signed_at(data: bytes, role: str) -> float:
    """Return the signing time of metadata in seconds since 1970, computed from its expiry."""
    return float(read(data, role).signed.expires.timestamp() - lifetime(role))


def named_targets(role_files: Mapping[str, bytes]) -> dict[str, TargetFile]:
    """Return all targets in the metadata by path."""
    targets: dict[str, TargetFile] = {}
    for role, data in role_files.items():
        if role not in (ROOT, SNAPSHOT, TIMESTAMP):
            targets |= read(data, role).signed.targets
    return targets


def index_hash(role_files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of the standings in `rollouts`; empty if there are none."""
    named = read(role_files[ROLLOUTS], ROLLOUTS).signed.targets.get(INDEX) if ROLLOUTS in role_files else None
    return str(named.hashes["sha256"]) if named is not None else ""


def described(data: bytes, role: str) -> MetaFile:
    """Return the entry of a snapshot or timestamp for a role's metadata: version, length and hash of its bytes."""
    return MetaFile.from_data(int(read(data, role).signed.version), data, ["sha256"])


def target(path: str, data: bytes, custom: Mapping[str, Any]) -> TargetFile:
    """Return the metadata entry of a target: length, hash and custom fields."""
    file = TargetFile.from_data(path, data, ["sha256"])
    file.unrecognized_fields["custom"] = dict(custom)
    return file


def prefixed(path: str, sha256: str) -> str:
    """Return the path that serves a target's bytes: consistent snapshots put the hash before the name."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{sha256}.{name}"


def file_names(role: str, number: int) -> tuple[str, ...]:
    """Return the file names of a role's metadata; only the timestamp and the newest root have an unversioned name."""
    if role == TIMESTAMP:
        return ("timestamp.json",)
    return (f"{number}.{role}.json", "root.json") if role == ROOT else (f"{number}.{role}.json",)


def in_order(roles: Iterable[str]) -> list[str]:
    """Sort roles in writing order: delegators before delegated roles, then snapshot, timestamp last."""
    last = {ROOT: 0, TARGETS: 1, SNAPSHOT: 3, TIMESTAMP: 4}
    return sorted(roles, key=lambda role: (last.get(role, 2), role))


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


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
    roles = {name: Role([key.keyid for key in keys[name]], thresholds[name]) for name in TOP}
    known = {key.keyid: key for name in TOP for key in keys[name]}
    root = Root(1, None, expiry(ROOT, now), known, roles, True)
    delegated = {
        name: DelegatedRole(name, [key.keyid for key in keys[name]], thresholds[name], True, paths)
        for name, paths in _PATHS.items()
    }
    delegations = Delegations({key.keyid: key for name in _PATHS for key in keys[name]}, delegated)
    signed = {
        ROOT: root,
        TARGETS: Targets(1, None, expiry(TARGETS, now), {}, delegations),
        RELEASES: Targets(1, None, expiry(RELEASES, now), {}),
    }
    return {name: sign(value, []) for name, value in signed.items()}


def next_signed(role_files: Mapping[str, bytes], role: str, now: float) -> Any:  # noqa: ANN401 - Root or Targets
    """Return a copy of a role's signed part with the next version and a new expiry.

    Args:
        role_files: metadata by role.
        role: an offline role.
        now: seconds since 1970.
    """
    signed = copy.deepcopy(read(role_files[role], role).signed)
    signed.version += 1
    signed.expires = expiry(role, now)
    return signed


def refreshed(role_files: Mapping[str, bytes], roles: Iterable[str], now: float) -> dict[str, bytes]:
    """Return unsigned metadata of roles with the same content and a new expiry."""
    return {role: sign(next_signed(role_files, role, now), []) for role in roles}


def bins(role_files: Mapping[str, bytes]) -> list[str]:
    """Return the names of the hash bins below `releases`; empty if there are few packages."""
    if RELEASES not in role_files:
        return []
    delegations = read(role_files[RELEASES], RELEASES).signed.delegations
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
    above = delegator(role)
    role_found: Role = read(role_files[above], above).signed.get_delegated_role(role)
    return role_found


def keys_of(role_files: Mapping[str, bytes], role: str) -> list[Key]:
    """Return the public halves of a role's keys."""
    above = delegator(role)
    signed = read(role_files[above], above).signed
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
    above = delegator(role)
    changed = next_signed(role_files, above, now)
    for name in remove:
        if name not in named.keyids:
            known = ", ".join(key[:16] for key in named.keyids)
            raise SignatureError(f"a key of {role}: {known}", name[:16])
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
    return {name: sign(value, []) for name, value in written.items()}


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
        raise SignatureError(f"a threshold of {role} from 1 to its number of keys ({count})", str(threshold))
    if role in ONLINE and threshold != 1:
        raise ReleaseError(f"a threshold of 1 for the online role {role}", str(threshold), do="One process signs it")


def role_keys(role_files: Mapping[str, bytes]) -> list[RoleKeys]:
    """Return the keys, threshold and expiry of each of the six roles."""
    records = []
    for role in ROLES:
        named = role_of(role_files, role)
        signed = read(role_files[role], role).signed if role in role_files else None
        records.append(
            RoleKeys(
                role=role, threshold=named.threshold, keys=tuple(named.keyids),
                version=signed.version if signed else 0, expires=signed.expires.isoformat() if signed else "",
            )
        )  # fmt: skip
    return records
