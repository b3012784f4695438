"""Operators of an identity provider: a real issuer on this machine, and every way in which a token may be wrong."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from cli_runner import Cli
from edgewright.fleet.server.api import oidc
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import audit
from edgewright.fleet.server.endpoint import RefusedError
from edgewright.schema.fleet_folder import OidcSettings
from fleet_plane import Client, fleet_folder, plane_of
from oidc_issuer import Issuer

pytestmark = pytest.mark.anyio
WHO = "/v1/fleet/overview"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture
def plane(issuer: Issuer, tmp_path: Path) -> Iterator[Plane]:
    folder = tmp_path / "fleet"
    fleet_folder(folder)
    with (folder / "fleet.toml").open("a") as file:
        file.write(
            f'\n[oidc]\nissuer = "{issuer.address}"\naudience = "fleet"\nclaim = "realm_access.roles"\n'
            '[oidc.roles]\nfleet-readers = "viewer"\nfleet-operators = "operator"\nfleet-admins = "admin"\n'
        )
    settings = (folder / "fleet.toml").read_text()
    with plane_of(folder) as opened:
        (folder / "fleet.toml").write_text(settings)  # `plane_of` writes the usual one
        yield opened


async def ask(client: Client, token: str, method: str = "GET", path: str = WHO, body: object = None) -> httpx.Response:
    return await client.ask(method, path, body, headers={"authorization": f"Bearer {token}"})


async def test_a_token_of_the_issuer_lets_in_with_the_role_of_its_claim_and_is_in_the_log(
    plane: Plane, issuer: Issuer
) -> None:
    client = Client(plane)
    assert (await ask(client, issuer.token())).status_code == 200
    assert (await ask(client, issuer.token(aud=["other", "fleet"]))).status_code == 200
    created = await ask(client, issuer.token(), "POST", "/v1/fleet/tokens", {"product": "pump"})
    assert created.status_code == 200
    reader = issuer.token(realm_access={"roles": ["fleet-readers"]})
    assert (await ask(client, reader, "POST", "/v1/fleet/tokens", {"product": "pump"})).status_code == 403
    both = issuer.token(realm_access={"roles": ["fleet-readers", "fleet-admins"]}, preferred_username=None)
    added = await ask(client, both, "POST", "/v1/fleet/operators", {"name": "eve", "role": "viewer"})
    assert added.status_code == 200
    with plane.database.reading() as connection:
        rows = connection.execute(sa.select(audit.c.who, audit.c.what).order_by(audit.c.number)).all()
    assert [tuple(row) for row in rows] == [("oidc:ada", "token.made"), ("oidc:4711", "operator.added")]
    assert issuer.asked == ["/realms/site/.well-known/openid-configuration", "/realms/site/keys?v=1"]  # once


async def test_tokens_that_are_wrong_or_do_not_hold_are_refused(issuer: Issuer) -> None:
    now = int(time.time())
    thief = ECKey.generate_key("P-256", {"kid": "first"})
    public = issuer.keys["first"]
    header = base64.urlsafe_b64encode(b'{"alg":"none","kid":"first"}').rstrip(b"=").decode()
    right = issuer.token().split(".")
    symmetric = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"first"}').rstrip(b"=").decode()
    forged = hmac.digest(public.as_pem(private=False), f"{symmetric}.{right[1]}".encode(), "sha256")
    wrong = {
        "another issuer": issuer.token(iss="https://elsewhere.example"),
        "no issuer": issuer.token(iss=None),
        "another audience": issuer.token(aud="mail"),
        "no audience": issuer.token(aud=None),
        "expired": issuer.token(exp=now - 120),
        "no end": issuer.token(exp=None),
        "not yet": issuer.token(nbf=now + 120),
        "nobody": issuer.token(sub=None),
        "alg none": f"{header}.{right[1]}.",
        "alg none with a signature": f"{header}.{right[1]}.{right[2]}",
        "HS256 with the public key": (
            f"{symmetric}.{right[1]}.{base64.urlsafe_b64encode(forged).rstrip(b'=').decode()}"
        ),
        "another key under the same name": jwt.encode(
            {"alg": "ES256", "kid": "first"}, jwt.decode(issuer.token(), public, ["ES256"]).claims, thief
        ),
        "unknown key": issuer.token(header={"kid": "nobody's"}),
        "no key": jwt.encode({"alg": "ES256"}, jwt.decode(issuer.token(), public, ["ES256"]).claims, public),
        "changed": f"{right[0]}.{right[1][:-2]}AA.{right[2]}",
        "too long": issuer.token(pad="x" * 20_000),
    }
    for name, token in wrong.items():
        with pytest.raises(RefusedError) as refused:
            await checker(issuer, Hand()).operator(token)
        assert refused.value.status == 401, (name, refused.value)
    assert await checker(issuer, Hand()).operator(issuer.token()) == ("oidc:ada", "operator")


async def test_a_token_without_a_role_is_forbidden(plane: Plane, issuer: Issuer) -> None:
    client = Client(plane)
    no_role = await ask(client, issuer.token(realm_access={"roles": ["staff"]}))
    assert no_role.status_code == 403
    assert "fleet-admins" in no_role.json()["expected"]
    assert (await ask(client, issuer.token(realm_access="fleet-admins"))).status_code == 403  # no object to look into
    assert (await ask(client, issuer.token())).status_code == 200


async def test_clocks_may_differ_by_the_leeway(plane: Plane, issuer: Issuer) -> None:
    client, now = Client(plane), int(time.time())
    assert (await ask(client, issuer.token(exp=now - 30, nbf=now + 30))).status_code == 200


async def test_wrong_tokens_of_one_address_are_limited_and_right_ones_are_not(plane: Plane, issuer: Issuer) -> None:
    client = Client(plane)
    statuses = [(await ask(client, issuer.token(aud="mail"))).status_code for _ in range(16)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert (await ask(client, issuer.token())).status_code == 200


class Hand:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def checker(issuer: Issuer, hand: Hand, **more: object) -> oidc.OidcAuthentication:
    settings = {"issuer": issuer.address, "audience": "fleet", "roles": {"fleet-operators": "operator"}}
    oidc_settings = msgspec.convert({**settings, "claim": "realm_access.roles", **more}, OidcSettings)
    return oidc.OidcAuthentication(oidc_settings, time.time, hand)


async def test_new_keys_are_fetched_when_a_token_names_one_and_not_for_every_invented_name(issuer: Issuer) -> None:
    hand = Hand()
    authentication = checker(issuer, hand)
    assert await authentication.operator(issuer.token()) == ("oidc:ada", "operator")
    issuer.rotate("second")
    with pytest.raises(RefusedError):
        await authentication.operator(issuer.token("second"))  # asked a moment ago
    hand.now += oidc.PAUSE
    assert await authentication.operator(issuer.token("second")) == ("oidc:ada", "operator")
    count = len(issuer.asked)
    for number in range(20):
        with pytest.raises(RefusedError):
            await authentication.operator(issuer.token(header={"kid": f"invented-{number}"}))
    assert len(issuer.asked) == count


async def test_keys_that_the_issuer_took_back_count_for_an_hour_at_most(issuer: Issuer) -> None:
    hand = Hand()
    authentication = checker(issuer, hand)
    stolen = issuer.token()
    await authentication.operator(stolen)
    del issuer.keys["first"]
    issuer.rotate("second")
    hand.now += oidc.FRESH + 1.0
    with pytest.raises(RefusedError, match="expected a valid token"):
        await authentication.operator(stolen)


async def test_an_issuer_that_is_away_is_done_without_for_a_day(issuer: Issuer) -> None:
    hand = Hand()
    authentication = checker(issuer, hand)
    issuer.away = True
    with pytest.raises(RefusedError) as refused:
        await authentication.operator(issuer.token())
    assert (refused.value.status, refused.value.wait) == (503, oidc.PAUSE)
    issuer.away, hand.now = False, hand.now + oidc.PAUSE
    await authentication.operator(issuer.token())
    issuer.away, hand.now = True, hand.now + oidc.STALE - 1.0
    await authentication.operator(issuer.token())
    hand.now += 2.0
    with pytest.raises(RefusedError) as refused:
        await authentication.operator(issuer.token())
    assert refused.value.status == 503


async def test_a_description_of_another_issuer_is_not_believed(issuer: Issuer) -> None:
    issuer.named = "https://elsewhere.example"
    with pytest.raises(RefusedError) as refused:
        await checker(issuer, Hand()).operator(issuer.token())
    assert refused.value.status == 503


async def test_only_named_algorithms_count(issuer: Issuer) -> None:
    issuer.keys["rsa"] = RSAKey.generate_key(2048, {"kid": "rsa"})
    token = issuer.token("rsa", {"alg": "RS256"})
    assert await checker(issuer, Hand()).operator(token) == ("oidc:ada", "operator")
    with pytest.raises(RefusedError, match="alg"):
        await checker(issuer, Hand(), algorithms=["ES256"]).operator(token)
    for algorithm in ("none", "HS256"):
        with pytest.raises(msgspec.ValidationError):
            checker(issuer, Hand(), algorithms=[algorithm])


def test_settings_that_are_wrong_are_told_at_the_start(tmp_path: Path, cli: Cli) -> None:
    folder = fleet_folder(tmp_path / "fleet")
    with (folder / "fleet.toml").open("a") as file:
        file.write('\n[oidc]\nissuer = "https://id.example"\naudience = "fleet"\nroles = {x = "owner"}\n')
    assert "owner" in cli("fleet", "serve", folder, code=2)


def test_a_name_in_a_token_is_plain_text(issuer: Issuer) -> None:
    authentication = checker(issuer, Hand())
    assert (
        authentication._name({"sub": "1", "preferred_username": "a\x1b[2J\nb" + "c" * 99}) == "oidc:a?[2J?b" + "c" * 52
    )
    assert json.loads(json.dumps(authentication._name({"sub": 7}))) == "oidc:7"
