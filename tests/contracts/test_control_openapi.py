"""The API, fuzzed from its own description: whatever is sent, the server has an answer that it described."""

from __future__ import annotations

import asyncio
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from starlette.types import Receive, Scope, Send

from edgewright.fleet.protocol import transport
from edgewright.fleet.server.api.app import LOCAL, App
from edgewright.fleet.server.control_plane import Limits, Plane
from edgewright.fleet.server.endpoint import endpoints
from fleet_plane import Client, enrolled, plane_of

# Continuous integration gives it a minute; whoever waits for the tests a tenth of it.
SECONDS, EXAMPLES = float(os.environ.get("EDGEWRIGHT_FUZZ_SECONDS", "6")), 12
KEYID = "f" * 32


def trusting(plane: Plane, device: str) -> Any:  # noqa: ANN401 - an ASGI application
    """Return the application with every request taken as authenticated: what lies behind is fuzzed."""
    app = App(plane)

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[LOCAL] = ("fuzzer", "admin")
            kept = [(k, v) for k, v in scope["headers"] if k != b"signature-input"]
            scope["headers"] = [*kept, (b"signature-input", f'x=();keyid="{device}"'.encode())]
        await app(scope, receive, send)

    return respond


@pytest.mark.slow
def test_no_answer_is_a_mistake_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import schemathesis  # takes a second, which every worker would wait for

    limits = Limits(requests=1e9, burst=1e9, bytes_a_day=1 << 50, seconds=5.0)
    monkeypatch.setattr(transport, "verify", lambda *given: KEYID)
    with plane_of(tmp_path, limits=limits) as plane:
        # Its signature is not looked at: the device is known by the id that `trusting` puts in.
        device = asyncio.run(_device(plane))
        schema = schemathesis.openapi.from_asgi("/openapi.json", trusting(plane, device))
        operations: list[Any] = [operation.ok() for operation in schema.get_all_operations()]  # type: ignore[union-attr]
        # The loader leaves out the path that it loads from.
        missing = {f"{e.method} {e.path}" for e in endpoints()} - {operation.label for operation in operations}
        assert missing <= {"GET /openapi.json"}
        each, requested, statuses = SECONDS / len(operations), 0, set()
        for operation in operations:
            answers = _fuzzed(operation, each)
            requested += len(answers)
            statuses |= set(answers)
        assert requested > 20 * len(operations)
        assert {200, 400} <= statuses


async def _device(plane: Plane) -> str:
    return (await enrolled(Client(plane))).id


def _fuzzed(operation: Any, seconds: float) -> list[int]:  # noqa: ANN401 - schemathesis has no public type
    """Statuses of the answers; each is below 500 and among those that the description has."""
    statuses: list[int] = []

    def once(case: Any) -> None:  # noqa: ANN401
        answer = case.call()
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        described = operation.definition.raw["responses"]
        assert str(answer.status_code) in described, (case.as_curl_command(), answer.text)
        statuses.append(answer.status_code)

    began, round_number = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        _round(operation, once, round_number)
        round_number += 1
    return statuses


def _round(operation: Any, once: Callable[[Any], None], number: int) -> None:  # noqa: ANN401
    """Send a few right and a few wrong requests, different ones each round; a run has those of the run before."""
    import schemathesis

    quiet = settings(
        max_examples=EXAMPLES, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        try:
            ask = given(case=operation.as_strategy(generation_mode=mode))(once)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                seed(number)(quiet(ask))()
        except (Unsatisfiable, schemathesis.errors.InvalidSchema):
            continue  # nothing can be wrong about a request without parameters
