"""The alerts of `deploy`, by Prometheus' own tool: each fires when it should, and not otherwise."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from deploy_files import DEPLOY, rules
from support import left_out


def promtool(*words: str) -> str:
    program = shutil.which("promtool")
    if program is None:
        left_out("promtool is not installed here")
    done = subprocess.run([program or "", *words], cwd=DEPLOY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cases() -> list[dict[str, Any]]:
    rule_tests: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "rules_test.yml").read_text())["tests"]
    return rule_tests


def test_rules_and_configuration_are_what_prometheus_reads() -> None:
    assert f"{len(list(rules()))} rules found" in promtool("check", "rules", "rules.yml")
    assert "SUCCESS" in promtool("check", "config", "--syntax-only", "prometheus.yml")


@pytest.mark.slow
def test_each_alert_fires_when_it_should_and_not_otherwise() -> None:
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")


def test_there_is_a_case_of_each_alert_for_both() -> None:
    requests = [one for case in cases() for one in case.get("alert_rule_test", ())]
    alerts = {name for name, rule in rules() if "alert" in rule}
    assert {one["alertname"] for one in requests if one["exp_alerts"]} == alerts
    assert {one["alertname"] for one in requests if not one["exp_alerts"]} == alerts
