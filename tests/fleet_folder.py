"""A fleet in a folder, small packages for it, and python-tuf's own client as the judge of what is published."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from edgewright.core.package import write_package
from edgewright.core.records.fleet import Plan, Stage, Standing, Standings
from edgewright.fleet.protocol.layout import Change, FleetSettings, Published
from edgewright.fleet.repository import acceptance, changes, metadata
from edgewright.fleet.repository.acceptance import accept, read_held
from edgewright.fleet.repository.folder import Fleet, open_fleet, read_published
from edgewright.fleet.repository.key_rotation import Quorum, create_fleet
from edgewright.fleet.repository.publication import prepare_release, publish_plan
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.restore import begin
from runtime_example import classifier, parts

SMALL = {role: Quorum(keys=2, threshold=2 if role == "root" else 1) for role in ("root", "targets", "releases")}


def fleet(folder: Path, now: float, quorums: dict[str, Quorum] | None = None, *, stick: bool = False) -> Fleet:
    """Return a new fleet of one product."""
    settings = FleetSettings(name="test", products=("main",), stick=stick)
    return create_fleet(folder, settings, quorums or SMALL, None, now)[0]


def package(folder: Path, seed: str = "0") -> Path:
    """Return a real package; another seed gives other bytes."""
    path = folder / f"activity-{seed}.edge"
    manifest, files = parts(classifier((10, 4, 3)), provenance={"seed": seed})
    write_package(path, manifest, files)
    return path


def apply(repository: Fleet, change: Change, now: float) -> bool:
    """Return signs a change with the keys of the folder and publishes it."""
    return accept(repository, changes.sign(read_held(repository), change, repository.ring()), now)


def publish(repository: Fleet, path: Path, now: float, product: str = "main") -> tuple[Published, ...]:
    """Publish a package."""
    change, published = prepare_release(repository, path, now, product=product)
    assert apply(repository, change, now)
    return published


def newest_plan(repository: Fleet, now: float, name: str = "first", **changes: Any) -> Plan:  # noqa: ANN401
    """Return a plan of the newest release for all devices."""
    release = metadata.find(read_published(repository), "main").release
    fields: dict[str, Any] = {
        "id": name,
        "release": release,
        "revert": metadata.revert_of(read_published(repository), release),
        "salt": "00" * 32,
        "stages": (Stage(name="all", percent=100.0, gated=False),),
        "starts": now,
        "expires": now + 86_400,
        "enrolled": now,
    }
    return Plan(**{**fields, **changes})


def rollout(repository: Fleet, now: float, name: str = "first") -> tuple[Plan, bytes]:
    """Return a plan of the newest release that runs, in its first stage; and its bytes."""
    plan = newest_plan(repository, now, name)
    data = publish_plan(repository.folder, plan, now=now)
    standing = Standing(plan=name, sha256=metadata.sha256(data), product="main", state="running", entered=now)
    acceptance.publish(repository, {}, now, index=msgspec.json.encode(Standings(issued=now, rollouts=(standing,))))
    return plan, data


class Folder(FetcherInterface):
    """Files of a folder instead of a web server; what is not there is a 404."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.removeprefix("memory:///")
        self.asked.append(name)
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            raise DownloadHTTPError("no such file", 404) from None
        return iter([data])


class Judge:
    """python-tuf's updater with a memory of its own, as one device has it.

    Args:
        public: folder that holds `metadata` and `targets`.
        root: bytes that the device was given.
    """

    def __init__(self, public: Path, root: bytes) -> None:
        self._here = Path(tempfile.mkdtemp(prefix="device-", dir=public.parent.parent))
        self.public, self.root = public, root
        (self._here / "targets").mkdir()

    def updater(self) -> Updater:
        """Return a new updater over what this device remembers."""
        return Updater(
            str(self._here), "memory:///metadata/", str(self._here / "targets"), "memory:///targets/",
            fetcher=Folder(self.public), bootstrap=self.root,
        )  # fmt: skip

    def read(self, path: str) -> bytes | None:
        """Return bytes of a target, verified; None where no role names it."""
        updater = self.updater()
        updater.refresh()
        target_info = updater.get_targetinfo(path)
        return None if target_info is None else Path(updater.download_target(target_info)).read_bytes()


def judge(repository: Fleet) -> Judge:
    """Return a device that was given the fleet's first root."""
    return Judge(repository.metadata.parent, (repository.metadata / "1.root.json").read_bytes())


def register_control(folder: Path, now: float) -> None:
    """Register a control plane, as the start of a server does; from then on it alone publishes."""
    database = open_database(folder)
    committer = Committer(database.writing, thread=False)
    try:
        assert begin(open_fleet(folder), database, committer, now)
    finally:
        committer.close()
        database.close()
