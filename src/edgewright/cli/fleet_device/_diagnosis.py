"""What `logs` and `diagnose` share: ask a device, wait for its next report, and show what came."""

from __future__ import annotations

import time
from dataclasses import dataclass

import click
import msgspec

from edgewright.cli.fleet._api_options import ApiOptions, part, print_json, seconds, when
from edgewright.cli.options import option
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
    as_json: bool = option("--json", help="Print JSON.")


def fetch(api: ApiOptions, name: str, options: DiagnosisOptions) -> Diagnosis | None:
    """Return a device's answer; None where it comes later, which is said, or where JSON was printed.

    Raises:
        InputError: no such device, or no stored answer.
    """
    from edgewright.cli.fleet.devices import device_id

    limit = seconds(options.wait, "--wait")
    with api.connect() as client:
        path = f"/v1/fleet/devices/{part(device_id(client, name))}/diagnoses"
        found, asked = _newest(client.ask(Diagnoses, "GET", path)) if options.stored else None, None
        if options.stored and found is None:
            raise InputError("a device that was diagnosed", "one without an answer", name, "Ask it without --stored")
        if not options.stored:
            asked = client.ask(
                DiagnosisAsked, "POST", path, AskDiagnosis(lines=options.lines, reason=options.reason)
            )  # fmt: skip
            until = time.monotonic() + limit
            while asked.expected is not None and asked.expected <= limit and time.monotonic() < until:
                time.sleep(_EVERY)
                found = _newest(client.ask(Diagnoses, "GET", path), asked.id)
                if found is not None:
                    break
    if found is None:
        assert asked is not None  # noqa: S101 - only a question has no answer yet
        print_json(asked) if options.as_json else click.echo(_later(name, asked), err=True)
        return None
    if options.as_json:
        print_json(found)
        return None
    return msgspec.convert(found.diagnosis, type=Diagnosis, strict=False)


def _newest(answered: Diagnoses, name: str = "") -> DiagnosisSeen | None:
    return next((one for one in answered.diagnoses if one.diagnosis is not None and name in ("", one.id)), None)


def _later(name: str, asked: DiagnosisAsked) -> str:
    if asked.expected is None:
        expected = "it has never reported"
    elif asked.expected < 1.0:
        expected = "its report is overdue"
    else:
        expected = f"it is likely to report in {elapsed_text(asked.expected)}"
    return f"{name} answers with its next report: {expected}. Show the answer then with --stored"


def log_lines(of: Diagnosis) -> list[str]:
    """Return the log, oldest first."""
    head = f"log since {when(of.log_since)} UTC by the device's clock"
    if of.left_out:
        head += f"; {of.left_out} older lines did not fit"
    return [head, *(f"{when(one.at)}  {one.source:<5}  {one.text}" for one in of.log)]
