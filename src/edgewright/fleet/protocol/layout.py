"""Names of roles, targets and files, and the longest lifetime of each role's metadata."""

from __future__ import annotations

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
RELEASES, ROLLOUTS = "releases", "rollouts"
OFFLINE = (ROOT, TARGETS, RELEASES)
ONLINE = (ROLLOUTS, SNAPSHOT, TIMESTAMP)

DAY = 86_400.0
# Longest time between a role's signature and its expiry. A device refuses metadata with a longer lifetime, counted
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
"""Lifetime of the timestamp on a USB stick, which is a separate repository with its own root."""
STICK_LONGEST: dict[str, float] = {**LONGEST, **dict.fromkeys(ONLINE, STICK_TIMESTAMP)}
"""Like `LONGEST`, for a repository on a USB stick: nobody can renew its signatures while it travels."""

PACKAGES, PLANS = "packages", "plans"
INDEX = f"{ROLLOUTS}/index.json"
ABORTED = "aborted"
"""Field of a plan's target in `releases`: its rollout is aborted, regardless of online signatures."""
REPORT_EVERY = 900.0
"""Seconds between two reports of a device without events, unless the control plane requests a longer interval."""
BINS_ABOVE = 500
"""Above this number of packages `releases` delegates to hash bins; with 1,000 in one file a refresh took 22 ms."""

# Paths below the address or folder that serves a fleet.
METADATA_PATH, TARGETS_PATH, API_PATH = "/metadata", "/targets", "/v1"


def package_target(product: str, counter: int) -> str:
    """Return the target path of a release's package."""
    return f"{PACKAGES}/{product}-{counter}.edge"


def plan_target(plan: str) -> str:
    """Return the target path of a plan."""
    return f"{PLANS}/{plan}.json"
