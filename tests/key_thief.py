"""Somebody who stole the online keys of a fleet under attack, for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from securesystemslib.signer import Signer

from edgewright.core.records.fleet import Plan, Standing, Standings
from edgewright.fleet.protocol.layout import INDEX, ONLINE
from edgewright.fleet.repository.acceptance import online_signers, sign_online
from edgewright.fleet.repository.folder import read_published, write_roles, write_targets
from threat_fleet import Town

FAR = 1 << 30


class Thief:
    """Somebody who copied the online keys once, and may write the folder that devices read."""

    def __init__(self, victim: Town) -> None:
        self.made = victim
        self.held = read_published(victim.fleet)
        self.signers: Mapping[str, Signer] = online_signers(victim.fleet, self.held)

    def push(self, plan: Plan, body: bytes, ahead: float = 0.0, above: int = FAR) -> None:
        """Say that the last stage has begun, as late as he likes, under versions as high as he likes."""
        now = self.made.clock.now + ahead
        standing = Standing(
            plan=plan.id, sha256=hashlib.sha256(body).hexdigest(), product="main", state="running",
            stage=len(plan.stages) - 1, entered=now,
        )  # fmt: skip
        own = msgspec.structs.replace(standing, plan="of-the-thief", sha256="0" * 64)
        targets = {INDEX: msgspec.json.encode(Standings(issued=now, rollouts=(own, standing)))}
        write_targets(self.made.fleet, targets)
        counted = dict.fromkeys(ONLINE, above)
        write_roles(self.made.fleet, sign_online(self.held, targets, self.signers, now, {}, above=counted))
