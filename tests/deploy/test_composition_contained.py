"""Containers of the composition are read-only and have few capabilities, and no key is made in the checkout."""

from __future__ import annotations

import pytest

from composed_fleet import Composed
from fleet_servers import until
from support import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def test_what_runs_writes_nowhere_else_and_is_healthy(fleet: Composed) -> None:
    for name, running in fleet.engine.running.items():
        record = fleet.engine.said["services"][name]
        for path in ("/", "/etc", "/run" if "/run" not in record.get("tmpfs", ()) else "/usr"):
            assert running.ask("sh", "-c", f"touch {path}/written").returncode != 0, f"{name}: {path}"
        status = running.ask("cat", "/proc/1/status").stdout
        rights = int(status.partition("CapBnd:")[2].split()[0], 16)
        assert rights.bit_count() == len(record.get("cap_add", ())), name
        assert "NoNewPrivs:\t1" in status, name
    for name in ("server-1", "server-2", "nginx", "postgres"):
        test = fleet.engine.said["services"][name]["healthcheck"]["test"][1:]
        until(lambda name=name, test=test: not fleet.engine.running[name].ask(*test).returncode, name.upper)  # type: ignore[misc]


def test_the_walk_through_leaves_no_key_in_the_checkout(fleet: Composed) -> None:
    files = {path.relative_to(fleet.deploy) for path in fleet.deploy.rglob("*")}
    assert files == {path.relative_to(ROOT / "deploy") for path in (ROOT / "deploy").rglob("*")}
    assert (fleet.data / "ca.key").is_file()
    assert (fleet.data / "secrets" / "tls.key").is_file()
