"""How `edgewright fleet federation` shows where a learning stands."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.cli.commands.fleet._api_options import ApiOptions
from edgewright.cli.text import when
from edgewright.schema.errors import InputError, MissingExtraError
from edgewright.schema.federation import FederationSeen, FederationsSeen

PATH = "/v1/fleet/federations"
_SHOWN, _DELTA = 10, 1e-5


def wanted(api: ApiOptions, name: str | None) -> str:
    """Return an id, by default that of the latest.

    Raises:
        InputError: there is none, or a name that is no id.
    """
    if name is not None:
        if len(name) != 32 or not set(name) <= set("0123456789abcdef"):
            raise InputError("an id of 32 hexadecimal digits", repr(name), "ID", "edgewright fleet federation status")
        return name
    with api.connect() as client:
        rounds = client.ask(FederationsSeen, "GET", PATH).federations
        if not rounds:
            raise InputError("a learning of the fleet", "none", do="edgewright fleet federation start PACKAGE")
    return rounds[0].id


def seen_lines(seen: FederationSeen) -> Iterator[str]:
    """Yield where a learning stands, and its last rounds."""
    yield (
        f"{seen.id}: {seen.state}, product {seen.product}, factory layer {seen.identity:08x}, "
        f"opened {when(seen.opened_at)} UTC by {seen.opened_by}"
    )
    if seen.why:
        yield f"  {seen.why}"
    if seen.state == "running":
        doing = "waits for devices" if seen.joining else "adds up"
        yield f"  round {seen.round} of {seen.settings.rounds} {doing}: {seen.joined} devices"
    for round_ in seen.rounds[-_SHOWN:]:
        refused = ", ".join(f"{count} {reason}" for reason, count in sorted(round_.refused.items()))
        yield (
            f"  round {round_.number}: {round_.counted} of {round_.devices} devices in {round_.groups} sums, "
            f"{round_.failed} groups failed, {round_.beyond} sums beyond their range, moved {round_.moved:.1%}"
            + (f"; refused: {refused}" if refused else "")
        )
    from edgewright.core.federation.rounds import suspects

    suspected = sorted(suspects(seen.rounds[-1].suspicion)) if seen.rounds else []
    if suspected:
        yield f"  again and again in sums beyond their range: {', '.join(suspected[:_SHOWN])}"
        yield f"  {len(suspected)} devices share groups; to block one: edgewright fleet device block {suspected[0]}"
    yield _privacy(seen)


def _privacy(seen: FederationSeen) -> str:
    """Return what bounds the sums tell, after all rounds that are over."""
    from edgewright.core.federation.rounds import epsilon_of

    noise, rounds = seen.settings.noise, len(seen.rounds)
    if not noise:
        return "  no noise: no epsilon bounds what the sums tell"
    if not rounds:
        return f"  noise {noise:g}"
    try:
        epsilon = epsilon_of(noise, rounds, _DELTA)
    except MissingExtraError as error:
        return f"  noise {noise:g}; for epsilon: {error.do}"
    return f"  epsilon {epsilon:.2f} at delta {_DELTA:g} after {rounds} rounds"
