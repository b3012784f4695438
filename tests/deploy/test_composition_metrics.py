"""Prometheus of the composition of `deploy` hears what its rules, the dashboard and the document name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from composed_devices import refused_as_usual, reporting
from composed_fleet import Composed
from deploy_files import documented, rules, shown
from fleet_servers import until

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def test_prometheus_hears_of_everything_that_rules_dashboard_and_document_name(updated: Composed) -> None:
    with reporting(updated) as devices, httpx.Client(
        base_url=f"http://{updated.engine.reach('prometheus', 9090)}/api/v1", trust_env=False, timeout=60
    ) as prometheus:  # fmt: skip

        def rows(query: str) -> list[float]:
            answer = prometheus.get("/query", params={"query": query})
            assert answer.status_code == 200, f"{query}: {answer.text}"
            return [float(one["value"][1]) for one in answer.json()["data"]["result"]]

        # What was refused before a server began anew, as other tests here make it do, is in no figure.
        until(lambda: refused_as_usual(updated))
        servers = {"server-1:8798", "server-2:8798"}
        until(lambda: rows('count(up{job="edgewright"} == 1)') == [2.0], lambda: prometheus.get("/targets").text)
        for name, query in shown().items():
            # A figure, not NaN: what the panel shows has happened here.
            until(partial(_figure, rows, query), partial(str, name))
        for name in documented():
            # A server that began anew a moment ago tells some of its figures only after its next count.
            until(partial(_is_scraped, prometheus, name, servers), partial(str, name))
        records = [rule for group in prometheus.get("/rules").json()["data"]["groups"] for rule in group["rules"]]
        assert {rule["name"] for rule in records} == {name for name, _ in rules()}
        until(lambda: _healthy(prometheus), lambda: prometheus.get("/rules").text)
        firing = [rule["name"] for rule in records if rule.get("state") == "firing"]
        assert firing == [], "an alert in a fleet in which all is well"
        devices.go_on()
    checked = updated.ask("promtool", "check", "config", "/etc/prometheus/prometheus.yml", service="prometheus")
    assert "SUCCESS" in checked
    with httpx.Client(trust_env=False, timeout=60) as stranger:
        address = f"http://{updated.engine.reach('server-1', 8798)}/metrics"
        assert stranger.get(address).status_code == 401
        assert stranger.get(address, headers={"x-forwarded-for": "127.0.0.1"}).status_code == 401


def _healthy(prometheus: httpx.Client) -> bool:
    records = [rule for group in prometheus.get("/rules").json()["data"]["groups"] for rule in group["rules"]]
    return {rule["health"] for rule in records} == {"ok"} and not any(rule.get("lastError") for rule in records)


def _is_scraped(prometheus: httpx.Client, name: str, servers: set[str]) -> bool:
    series = prometheus.get("/series", params={"match[]": f'{{__name__=~"{name}(_bucket)?"}}'}).json()["data"]
    return {one["instance"] for one in series} == servers


def _figure(rows: Callable[[str], list[float]], query: str) -> bool:
    return any(math.isfinite(one) for one in rows(query))
