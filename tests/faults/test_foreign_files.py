"""Published files that somebody changed, removed or laid there while a server runs: put right, or told."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import httpx
import msgspec
import pytest

from edgewright.fleet.protocol.layout import INDEX
from edgewright.fleet.protocol.rollout_records import RolloutSeen, StartRollout
from edgewright.fleet.repository.folder import read_published
from edgewright.fleet.server.api.client import local_client
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.database.tables import plan_of
from edgewright.fleet.server.restore import IntegrityScan, Wrong
from edgewright.fleet.server.rollouts.worker import PeriodicScan, conductor
from fleet_servers import Server, Signed, until
from rollout_example import Example

SOONER = """
from edgewright.cli.main import main
from edgewright.fleet.server import restore
restore.EVERY = 1.0
main()
"""


def test_a_look_finds_what_is_missing_altered_and_foreign(tmp_path: Path) -> None:
    example = Example(tmp_path)
    try:
        example.started()
        published = read_published(example.fleet)
        look = IntegrityScan(example.fleet)
        assert look.wrong(published) == ()
        first, second, *_ = sorted((example.fleet.targets / "packages").iterdir())
        first.unlink()
        content = bytearray(second.read_bytes())
        content[100] ^= 1
        second.write_bytes(content)  # as long as it was
        (example.fleet.targets / "notes.txt").write_text("who laid this here?")
        (example.fleet.metadata / "999.snapshot.json").write_text("{}")
        (example.fleet.targets / "packages" / f"{'0' * 64}.main-7.edge").write_bytes(b"not what it is called")
        (example.fleet.targets / "packages" / ".main-7.edge.k2").write_bytes(b"a writer's")
        expected = (
            Wrong("altered", f"targets/packages/{second.name}"),
            Wrong("foreign", "metadata/999.snapshot.json"),
            Wrong("foreign", "targets/notes.txt"),
            Wrong("foreign", f"targets/packages/{'0' * 64}.main-7.edge"),
            Wrong("missing", f"targets/packages/{first.name}"),
        )
        assert look.wrong(published) == expected
        assert look.wrong(published) == expected  # and remembers it
        assert len(IntegrityScan(example.fleet, at_once=-1).wrong(published)) == 3  # what need not be read
    finally:
        example.close()


@pytest.mark.slow
def test_what_the_database_has_is_written_again_and_a_conflict_is_not_written_over(tmp_path: Path) -> None:
    example = Example(tmp_path)
    plan = plan_of(example.signed_plan())
    example.scheduler.tick()
    example.close()
    plane = open_plane(example.fleet.folder, thread=False)
    plane.clock.wall = lambda: example.now  # type: ignore[method-assign]
    try:
        service = conductor(plane, example.new_signer().sign)
        with local_client(example.fleet.folder):
            pass
        service.rollouts.start(next(iter((example.fleet.targets / "plans").iterdir())).read_bytes(), "ann")
        watch = PeriodicScan(plane, service)
        public = {path: path.read_bytes() for path in example.fleet.metadata.parent.rglob("*") if path.is_file()}
        for path in (*example.fleet.metadata.iterdir(), *(example.fleet.targets / "plans").iterdir()):
            if not path.name[0].isdigit() or "plans" in str(path.parent):
                path.write_bytes(b"{}")
        shutil.rmtree(example.fleet.targets / "rollouts")
        watch.now_and_then()
        assert plane.ready == {}
        assert all(path.read_bytes() == data for path, data in public.items() if "rollouts/" not in str(path))
        index = msgspec.json.decode((next((example.fleet.targets / "rollouts").iterdir())).read_bytes())
        assert index["rollouts"][0]["plan"] == plan.id
        snapshot = max(example.fleet.metadata.glob("*.snapshot.json"), key=lambda one: int(one.name.split(".")[0]))
        ours = snapshot.read_bytes()
        snapshot.write_bytes(ours.replace(b'"spec_version"', b' "spec_version"'))  # signed, and not by this server
        watch._next = 0.0
        watch.now_and_then()
        assert "as in the database" in plane.ready["files"]
        snapshot.write_bytes(ours)
        watch._next = 0.0
        watch.now_and_then()
        assert plane.ready == {}
    finally:
        plane.close()


@pytest.mark.slow
@pytest.mark.heavy
def test_a_server_notices_while_it_runs(tmp_path: Path) -> None:
    signed = Signed(tmp_path, {})
    server = Server(signed.folder, command=(sys.executable, "-c", SOONER)).wait()
    public = signed.folder / "public"

    def ready() -> tuple[int, str]:
        answer = httpx.get(f"{server.address}/readyz", timeout=60, trust_env=False)
        return answer.status_code, answer.text

    def figures() -> str:
        return ada.get(f"{server.address}/metrics").text

    try:
        with signed.operator() as ada:
            with local_client(signed.folder) as desk:
                desk.ask(RolloutSeen, "POST", "/v1/fleet/rollouts", StartRollout(plan="plan-1"))
            until(lambda: ready()[0] == 200)
            stamp = public / "metadata" / "timestamp.json"
            for _ in range(2):  # the first may be put right because the server published just then
                stamp.write_bytes(b"{}")
                until(lambda: stamp.read_bytes() != b"{}")
            assert signed.device.read(INDEX) is not None
            next((public / "targets" / "packages").iterdir()).unlink()
            (public / "targets" / "notes.txt").write_text("here")
            until(lambda: 'files_wrong{kind="missing"} 1.0' in figures(), figures)
            assert 'files_wrong{kind="foreign"} 1.0' in figures()
            assert ready()[0] == 200  # one package is no reason to serve nobody
            until(lambda: any("missing: targets/packages/" in line for line in server.log), lambda: server.log)
            newest = max((public / "metadata").glob("*.snapshot.json"), key=lambda one: int(one.name.split(".")[0]))
            newest.write_bytes(newest.read_bytes().replace(b'"spec_version"', b' "spec_version"'))
            until(lambda: ready()[0] == 503, ready)
            assert "files: expected snapshot of version" in ready()[1]
    finally:
        assert server.end() == 0
    assert any("files.restored" in line for line in server.log)
