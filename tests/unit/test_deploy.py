"""What lies in `deploy`: every metric that it names is exported by a real server, every command line can be parsed."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client.parser import text_string_to_metric_families

from deploy_files import DEPLOY, compose, panels, queries, rules
from edgewright.cli.commands.fleet.serve import command
from edgewright.core.records.fleet import Acknowledged, Enrolled
from edgewright.fleet.protocol.api_records import NewOperator, NewToken, OperatorMade, TokenMade
from edgewright.fleet.protocol.transport import public_text, sign
from edgewright.fleet.repository.distribution import CACHE
from edgewright.fleet.server.api.client import local_client
from rollout_example import Example
from support import environment

# Words of PromQL that are no names of metrics: operators, aggregations, functions and their modifiers.
WORDS = {
    "absent", "and", "by", "delta", "histogram_quantile", "group_left", "max", "min", "offset", "on", "or",
    "predict_linear", "rate", "sum", "time", "unless",
}  # fmt: skip
ADDED = {"instance", "job", "le"}
"""Labels that Prometheus puts on what it scrapes, and that of a histogram's buckets."""
PROBED = {"up", "probe_success", "probe_ssl_earliest_cert_expiry"}
"""Metrics of Prometheus and of the blackbox exporter, not of a server."""
_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<span>\[\d+[smhdw]\]|\d+[smhdw]\b)|(?P<number>\d+(?:\.\d+)?(?:e\d+)?)'
    r"|(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<sign>==|!=|=~|!~|>=|<=|[-+*/%(){},<>=]))"
)


def tokens(query: str) -> list[tuple[str, str]]:
    tokens, index = [], 0
    query = query.strip()
    while index < len(query):
        matched = _TOKEN.match(query, index)
        assert matched, f"no PromQL: {query[index:]!r}"
        tokens.append((str(matched.lastgroup), matched.group(str(matched.lastgroup))))
        index = matched.end()
    return tokens


def used(query: str) -> tuple[set[str], set[str]]:
    """Metrics and labels that a query names.

    Raises:
        AssertionError: brackets that do not fit, or something that is no PromQL.
    """
    metrics, labels, open_ones, grouping = set(), set(), [], False
    last = ""
    for kind, text in tokens(query):
        if text in "({":
            grouping = text == "(" and last in ("by", "without", "on", "ignoring", "group_left", "group_right")
            open_ones.append((text, grouping))
        elif text in ")}":
            assert open_ones, query
            assert open_ones.pop()[0] + text in ("()", "{}"), query
        elif kind == "name":
            inside = open_ones[-1] if open_ones else ("", False)
            if inside[0] == "{" or inside[1]:
                labels.add(text)
            elif text not in WORDS:
                metrics.add(text)
        last = text
    assert not open_ones, query
    return metrics, labels


def test_what_is_no_promql_is_found() -> None:
    assert used('sum by (a) (rate(b_total{c="d"}[5m])) > 2 * x:y') == ({"b_total", "x:y"}, {"a", "c"})
    for wrong in ("sum(a", "a)", "sum by (a) (b}", "a $ b"):
        with pytest.raises(AssertionError):
            used(wrong)


@pytest.mark.slow
def test_every_metric_and_label_of_rules_and_dashboard_is_exported_by_a_server(tmp_path: Path) -> None:
    example = Example(tmp_path, now=time.time())
    example.started(enrolled=example.now, starts=example.now - 1, expires=example.now + 7200)
    example.close()
    folder = example.fleet.folder
    with local_client(folder) as desk:
        viewer = desk.ask(OperatorMade, "POST", "/v1/fleet/operators", NewOperator(name="p", role="viewer")).token
        token = desk.ask(TokenMade, "POST", "/v1/fleet/tokens", NewToken(product="main")).token
    command = [sys.executable, "-c", "from edgewright.cli.main import main; main()", "fleet", "serve", str(folder)]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(
        [*command, "--port", "0", "--report-every", "900"], stdout=subprocess.PIPE, stderr=log, text=True,
        env=environment(),
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            address = server.stdout.readline().partition(" at ")[2].split()[0]
            _reported(address, token)
            wanted = [name for query in queries().values() for name in used(query)[0]]
            exported = _exported(address, viewer, set(wanted))
        finally:
            server.terminate()
            server.wait(60)
    recorded = {name: used(rule["expr"])[1] for name, rule in rules() if "record" in rule}
    for where, query in queries().items():
        metrics, labels = used(query)
        unknown = metrics - exported.keys() - recorded.keys() - PROBED
        assert not unknown, f"{where}: no server exports {sorted(unknown)}"
        if metrics & PROBED:
            continue
        have = ADDED.union(*(exported.get(name, set()) | recorded.get(name, set()) for name in metrics))
        assert labels <= have, f"{where}: nothing has the labels {sorted(labels - have)}"


def _reported(address: str, token: str) -> None:
    """Enrol a device and report an outcome and an item."""
    key = Ed25519PrivateKey.generate()

    def ask(path: str, fields: dict[str, Any], name: str) -> bytes:
        body = msgspec.json.encode(fields)
        headers = {"content-type": "application/json", **sign("POST", path, body, key, name)}
        answer = httpx.post(address + path, content=body, headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.content

    joining = {"token": token, "key": public_text(key), "name": "d", "profile": "pi", "product": "main"}
    me = msgspec.json.decode(ask("/v1/enroll", joining, "new"), type=Enrolled)
    outcome = {"number": 1, "plan": "first", "counter": 2, "what": "reverted", "because": "crash"}
    item = {"device": "d", "boot": 1, "sequence": 1, "kind": "event", "put": time.time() - 90.0, "body": {}}
    report = {
        "nonce": me.nonce, "sequence": 0, "counter": 2, "floor": 0, "phase": "idle", "clock": time.time(),
        "outcomes": [outcome], "items": [item],
    }  # fmt: skip
    answer = msgspec.json.decode(ask("/v1/report", report, me.device), type=Acknowledged)
    assert answer.wait == 900.0
    httpx.get(f"{address}/metadata/timestamp.json", timeout=60, trust_env=False).raise_for_status()


def _exported(address: str, token: str, wanted: set[str]) -> dict[str, set[str]]:
    """Labels of every sample by its name, once all that are wanted are there; gates are asked in a round's time."""
    until = time.monotonic() + 60
    while True:
        headers = {"authorization": f"Bearer {token}"}
        answer = httpx.get(f"{address}/metrics", headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text
        labels_of: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                labels_of.setdefault(sample.name, set()).update(sample.labels)
        here = {name for name in wanted if name.startswith(("edgewright_", "process_"))}
        if here <= labels_of.keys() or time.monotonic() > until:
            return labels_of
        time.sleep(0.5)


def test_rules_and_panels_say_what_a_person_needs() -> None:
    alerts = [(name, rule) for name, rule in rules() if "alert" in rule]
    assert len({name for name, _ in rules()}) == len(list(rules()))
    for name, rule in alerts:
        assert rule["labels"]["severity"] in ("warning", "critical"), name
        assert len(rule["annotations"]["summary"]) > 20, name
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert shown <= used(rule["expr"])[1] | {"instance", "job", "part"}, name
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["type"] == "row" or (panel["description"] and panel["targets"])


def test_the_servers_of_the_composition_understand_their_options() -> None:
    services = compose()["services"]
    lines = {name: one["command"] for name, one in services.items() if one.get("command", [""])[0] == "fleet"}
    assert len(lines) == 2
    for line in lines.values():
        assert line[:2] == ["fleet", "serve"]
        context = command.make_context("serve", list(line[2:]))
        assert context.params["behind_proxy"]
    for name, one in services.items():
        assert set(one.get("secrets", ())) <= compose()["secrets"].keys(), name


def test_files_that_the_composition_mounts_are_there() -> None:
    for name, one in compose()["services"].items():
        for mount in one.get("volumes", ()):
            if mount.startswith("${FLEET_DIR:?"):
                continue
            source = mount.partition(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), f"{name}: {source}"
            assert source.startswith("./") or source in compose()["volumes"], f"{name}: {source}"
    jobs = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    requests = {
        job["job_name"]: {target.removeprefix("https://").partition(":")[0].partition("/")[0]
                          for one in job["static_configs"] for target in one["targets"]}
        for job in jobs
    }  # fmt: skip
    assert requests["edgewright"] == {name for name in compose()["services"] if name.startswith("server-")}
    assert requests["probes"] == {"nginx", "postgres"} <= compose()["services"].keys()
    modules = yaml.safe_load((DEPLOY / "blackbox.yml").read_text())["modules"]
    assert {one["labels"]["module"] for job in jobs[1:] for one in job["static_configs"]} == modules.keys()
    assert set(re.findall(r"server (server-\d):8798", (DEPLOY / "nginx.conf").read_text())) == requests["edgewright"]


def test_nginx_says_the_same_lifetimes_as_the_server() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    matches = [tuple(line) for line in re.findall(r'^\s+"?(\S.*?)"?\s+"(public[^"]*)";$', text, re.MULTILINE)]
    examples = {
        "metadata/timestamp.json": "200 /metadata/timestamp.json",
        "metadata/root.json": "200 /metadata/root.json",
        "metadata/N.ROLE.json": "200 /metadata/12.releases-0f.json",
        "targets/**/SHA256.NAME": f"200 /targets/packages/{'0a' * 32}.pump-3.edge",
        "status 404 below metadata/ (the next root)": "404 /metadata/2.root.json",
        "status 404 below targets/": "404 /targets/packages/x.edge",
    }
    assert examples.keys() == CACHE.keys()
    for kind, requested in examples.items():
        fitting = [answer for pattern, answer in matches if pattern != "default" and re.search(pattern[1:], requested)]
        assert fitting, kind
        assert fitting[0] == CACHE[kind], kind
