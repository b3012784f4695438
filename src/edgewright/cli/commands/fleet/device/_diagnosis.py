"""What `logs` and `diagnose` share: ask a device, wait for its next report, and show what came."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import click
import msgspec

from edgewright.cli.command import Aside, Result, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, part, seconds
from edgewright.cli.text import Cut, when
from edgewright.core.formatting import elapsed_text
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_diagnosis import (
    MAX_LINES,
    AskDiagnosis,
    Diagnoses,
    Diagnosis,
    DiagnosisAsked,
    DiagnosisSeen,
)

_EVERY = 1.0


@dataclass(frozen=True, kw_only=True)
class DiagnosisOptions:
    """How to ask, and how long to wait."""

    lines: int = option(type=click.IntRange(0, MAX_LINES), default=100, help="Number of log lines.")
    reason: str = option(help="Reason, for the audit log.")
    wait: str = option(
        default="60s", metavar="TIME", help="Longest time to wait, if the device reports within it; for example 20m."
    )
    stored: bool = option("--stored", help="Show the newest answer of the device instead of asking it.")


def fetch(api: ApiOptions, name: str, options: DiagnosisOptions, lines: Callable[[Diagnosis], list[str]]) -> Result:
    """Return a device's answer as these lines; where it comes later, what was asked.

    Raises:
        InputError: no such device, or no stored answer.
    """
    from edgewright.cli.commands.fleet.devices import device_id

    limit = seconds(options.wait, "--wait")
    with api.connect() as client:
        path = f"/v1/fleet/devices/{part(device_id(client, name))}/diagnoses"
        if options.stored:
            answer = _newest(client.ask(Diagnoses, "GET", path))
            if answer is None:
                raise InputError(
                    "a device that was diagnosed", "one without an answer", name, "Ask it without --stored"
                )
        else:
            request = AskDiagnosis(lines=options.lines, reason=options.reason)
            requested, answer = client.ask(DiagnosisAsked, "POST", path, request), None
            until = time.monotonic() + limit
            while requested.expected is not None and requested.expected <= limit and time.monotonic() < until:
                time.sleep(_EVERY)
                answer = _newest(client.ask(Diagnoses, "GET", path), requested.id)
                if answer is not None:
                    break
            if answer is None:
                return Result(requested, [Aside(_later(name, requested))], compact=True)
    diagnosis = msgspec.convert(answer.diagnosis, type=Diagnosis, strict=False)
    return Result(answer, map(Cut, lines(diagnosis)), compact=True)


def _newest(answered: Diagnoses, name: str = "") -> DiagnosisSeen | None:
    return next((one for one in answered.diagnoses if one.diagnosis is not None and name in ("", one.id)), None)


def _later(name: str, requested: DiagnosisAsked) -> str:
    if requested.expected is None:
        expected = "it has never reported"
    elif requested.expected < 1.0:
        expected = "its report is overdue"
    else:
        expected = f"it is likely to report in {elapsed_text(requested.expected)}"
    return f"{name} answers with its next report: {expected}. Show the answer then with --stored"


def log_lines(of: Diagnosis) -> list[str]:
    """Return the log, oldest first."""
    head = f"log since {when(of.log_since)} UTC by the device's clock"
    if of.left_out:
        head += f"; {of.left_out} older lines did not fit"
    return [head, *(f"{when(one.at)}  {one.source:<5}  {one.text}" for one in of.log)]
