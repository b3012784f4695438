"""A fleet with a control plane whose clock stands still, two signed releases, and rows of devices."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from edgewright.core.records.fleet import Gate, Plan, Release, Stage
from edgewright.fleet.protocol.plans.decision import position
from edgewright.fleet.protocol.rollout_records import GateSeen
from edgewright.fleet.repository.folder import Fleet, open_fleet
from edgewright.fleet.repository.publication import publish_plan
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import devices, intents, outcomes, reports, rollouts
from edgewright.fleet.server.restore import begin
from edgewright.fleet.server.rollouts.offered import RolloutTimes
from edgewright.fleet.server.rollouts.scheduler import Publisher, Scheduler
from edgewright.fleet.server.rollouts.stage_verdict import judge_stage
from edgewright.fleet.server.rollouts.transitions import Rollouts
from edgewright.fleet.server.signer.service import LocalSigner
from edgewright.fleet.server.signer.supervisor import folder_signer
from fleet_folder import fleet, package, publish

NOW = 1_800_000_000.0
HOUR = 3600.0
STAGES = (
    Stage(name="canary", percent=10.0, dwell=HOUR),
    Stage(name="half", percent=50.0, dwell=HOUR),
    Stage(name="all", percent=100.0, dwell=HOUR),
)
FAILED = Gate(measure="failed", limit=0.3, quorum=5)
BLANK = Release(product="main", counter=2, target="packages/main-2.edge", sha256="a" * 64, length=10)


def plan(**changes: Any) -> Plan:  # noqa: ANN401 - fields of Plan
    """Return a plan of three stages over a release that was never signed, unless it is named."""
    release: Release = changes.pop("release", BLANK)
    number, target = release.counter + 1, f"packages/{release.product}-{release.counter + 1}.edge"
    back = Release(product=release.product, counter=number, target=target, sha256="b" * 64, length=9)
    fields: dict[str, Any] = {
        "id": "first", "release": release, "revert": back, "salt": "5" * 64, "stages": STAGES, "gates": (FAILED,),
        "starts": NOW, "expires": NOW + 30 * 24 * HOUR, "enrolled": NOW, "silence": HOUR / 2,
    }  # fmt: skip
    return Plan(**{**fields, **changes})


def gates_of(
    connection: sa.Connection, plan: Plan, since: float, now: float, *, listening: float = 0.0, every: float = 900.0
) -> tuple[GateSeen, ...]:
    """Return what each gate of a plan says in its first stage, before the dwell is over."""
    times = RolloutTimes(now=now, began=since, entered=since, due=now + 1.0, listening=listening, every=every)
    return judge_stage(connection, plan, 0, times)[:-1]


@functools.cache
def _template(now: float) -> tuple[Path, tuple[Release, Release], Release]:
    """Create a fleet with two releases and its database once a process: its folder, the releases, the way back."""
    folder = Path(tempfile.mkdtemp(prefix="example-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    device_fleet = fleet(folder / "fleet", now)
    first, second = (publish(device_fleet, package(folder, seed), now) for seed in ("0", "1"))
    database = open_database(device_fleet.folder)
    committer = Committer(database.writing, thread=False)
    begin(device_fleet, database, committer, now)
    committer.close()
    database.close()
    return folder, (first[0].release, second[0].release), second[1].release


class Example:
    """A control plane without its server, over a fleet with two releases.

    Args:
        folder: empty; the fleet is copied into it.
        now: seconds since 1970.
    """

    def __init__(self, folder: Path, now: float = NOW) -> None:
        template, releases, self.back = _template(now)
        shutil.copytree(template, folder, dirs_exist_ok=True)
        self.now, self.folder, self.releases = now, folder, list(releases)
        self.fleet: Fleet = open_fleet(folder / "fleet")
        self.open()

    def open(self) -> None:
        """As after a start of the process."""
        self.database: Database = open_database(self.fleet.folder)
        self.committer = Committer(self.database.writing, thread=False)
        begin(self.fleet, self.database, self.committer, self.now)
        self.signer = self.new_signer()
        self.publisher = Publisher(self.fleet, self.database)
        self.rollouts, self.scheduler = self.another()

    def new_signer(self) -> LocalSigner:
        """Return the signer as after a start of its process."""
        return folder_signer(self.fleet, lambda: self.now, 10_000)

    def another(self) -> tuple[Rollouts, Scheduler]:
        """Return a second scheduler beside the first."""
        rollout_service = Rollouts(
            self.database, self.committer, self.signer.sign, lambda: self.now, self.publisher.publish
        )
        return rollout_service, Scheduler(
            self.fleet, self.database, self.committer, rollout_service, self.publisher, lambda: self.now
        )  # fmt: skip

    def close(self) -> None:
        """As at the end of the process."""
        self.committer.close()
        self.database.close()

    def signed_plan(self, **changes: Any) -> bytes:  # noqa: ANN401 - fields of Plan
        """Return a plan over the second release, signed offline and waiting to be taken in."""
        planned = plan(release=self.releases[1], revert=self.back, **changes)
        return publish_plan(self.fleet.folder, planned, now=self.now)

    def started(self, **changes: Any) -> str:  # noqa: ANN401 - fields of Plan
        """Return a rollout that runs."""
        body = self.signed_plan(**changes)
        self.scheduler.tick()
        return self.rollouts.start(body, "tester").plan

    def write(self, table: sa.Table, *rows: dict[str, Any]) -> None:
        """Rows, in one transaction."""
        if not rows:
            return
        self.committer.submit(lambda connection: connection.execute(sa.insert(table), list(rows)) and None).result()

    def enrol(self, count: int, first: int = 0, **changes: Any) -> list[str]:  # noqa: ANN401 - columns
        """Return devices, of as many batches as ten goes into them."""
        names = [f"{number:032x}" for number in range(first, first + count)]
        rows = [
            {
                "id": name, "key": name, "name": "d", "product": "main", "profile": "pi", "tags": (), "given": (),
                "batch": f"b{number // 10}", "token": "", "enrolled_at": NOW - 1.0, "counter": 1, "nonce": "",
                "last_report_at": NOW, **changes,
            }
            for number, name in enumerate(names)
        ]  # fmt: skip
        self.write(devices, *rows)
        return names

    def end(self, names: list[str], action: str, because: str = "", plan: str = "first") -> None:
        """Trials that are over."""
        counter = self.releases[1].counter
        rows = [
            {
                "device": name, "number": 1, "plan": plan, "counter": counter, "what": action, "because": because,
                "detail": "", "clock": self.now, "at": self.now,
            }
            for name in names
        ]  # fmt: skip
        self.write(outcomes, *rows)

    def allow(self, names: list[str], plan: str = "first") -> None:
        """Intents that were acknowledged now."""
        counter = self.releases[1].counter
        rows = [
            {
                "device": n,
                "plan": plan,
                "counter": counter,
                "stage": 0,
                "asked_at": self.now,
                "go": True,
                "at": self.now,
            }
            for n in names
        ]
        self.write(intents, *rows)

    def speak(self, names: list[str], **changes: Any) -> None:  # noqa: ANN401 - columns
        """Devices whose last report came now."""
        values = {"last_report_at": self.now, **changes}
        where = devices.c.id.in_(names)
        self.committer.submit(lambda c: c.execute(sa.update(devices).where(where).values(**values)) and None).result()

    def update(self, names: list[str], plan: str = "first") -> None:
        """Devices that were permitted, confirmed the release, and report that they run it."""
        self.allow(names, plan)
        self.end(names, "confirmed", plan=plan)
        self.speak(names, counter=self.releases[1].counter)

    def report(self, names: list[str], counter: int, **changes: Any) -> None:  # noqa: ANN401 - columns
        """Report with vitals of an hour."""
        counted = {"seconds": HOUR, "windows": 1000, "latency_p99": 0.01, "memory": 1000, "channels": 3, **changes}
        rows = [
            {
                "device": name, "at": self.now, "clock": self.now, "sequence": 0, "counter": counter, "floor": 0,
                "phase": "idle", "plan": "", "stage": -1, "model": True, "digest": "", **counted,
            }
            for name in names
        ]  # fmt: skip
        self.write(reports, *rows)


def within(names: list[str], percent: float, planned: Plan | None = None) -> list[str]:
    """Return the devices that a share reaches."""
    planned = planned or plan()
    return [name for name in names if position(planned.salt, planned.id, name) < percent]


def row(example: Example) -> Any:  # noqa: ANN401 - a row
    with example.database.reading() as connection:
        return connection.execute(sa.select(rollouts).order_by(rollouts.c.started_at.desc())).first()


def go(example: Example, seconds: float, alive: list[str]) -> list[str]:
    """Let time pass with a round every ten minutes, in which some devices report; return what happened."""
    happened = []
    for _ in range(round(seconds / 600.0)):
        example.now += 600.0
        example.speak(alive)
        happened += [event.kind for event in example.scheduler.tick() if event.kind != "renewed"]
    return happened
