"""Names of roles, targets and files, and how long each role's word may hold at most."""

from __future__ import annotations

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
RELEASES, ROLLOUTS = "releases", "rollouts"
OFFLINE = (ROOT, TARGETS, RELEASES)
ONLINE = (ROLLOUTS, SNAPSHOT, TIMESTAMP)

DAY = 86_400.0
# Longest time between a role's signature and its expiry; a device refuses metadata that wants to hold longer, counted
# from the latest signed time that it knows.
LONGEST: dict[str, float] = {
    ROOT: 400 * DAY,
    TARGETS: 400 * DAY,
    RELEASES: 90 * DAY,
    ROLLOUTS: DAY,
    SNAPSHOT: 7 * DAY,
    TIMESTAMP: DAY,
}
STICK_TIMESTAMP = 90 * DAY
"""Of the timestamp of a repository on a USB stick, which is a repository of its own with its own root."""
STICK_LONGEST: dict[str, float] = {**LONGEST, **dict.fromkeys(ONLINE, STICK_TIMESTAMP)}
"""As `LONGEST`, of a repository on a stick: nothing on it can be signed anew while it travels."""

PACKAGES, PLANS = "packages", "plans"
INDEX = f"{ROLLOUTS}/index.json"
REPORT_EVERY = 900.0
"""Seconds between two reports of a device to which nothing happens, unless the control plane asks for fewer."""
BINS_ABOVE = 500
"""Packages from which the role `releases` delegates to hash bins; at 1,000 in one file a refresh took up to 22 ms."""

# Under an address or a folder that serves a fleet.
METADATA_PATH, TARGETS_PATH, API_PATH = "/metadata", "/targets", "/v1"


def package_target(product: str, counter: int) -> str:
    """Path of a release's package among the targets."""
    return f"{PACKAGES}/{product}-{counter}.edge"


def plan_target(plan: str) -> str:
    """Path of a plan among the targets."""
    return f"{PLANS}/{plan}.json"
