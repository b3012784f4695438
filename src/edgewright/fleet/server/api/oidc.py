"""Authenticates operators with JSON Web Tokens of an identity provider (OpenID Connect)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from edgewright.fleet.protocol.ports import Unreachable
from edgewright.fleet.protocol.wire.transport import HttpTransport
from edgewright.fleet.server import log
from edgewright.fleet.server.endpoint import RANK, RefusedError
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_folder import OidcSettings

FRESH = 3600.0
"""Seconds after which the issuer's keys are downloaded again."""
STALE = 86_400.0
"""Seconds for which keys stay valid while the issuer cannot be reached."""
PAUSE = 60.0
"""Shortest time in seconds between two downloads, so that tokens with invented key ids do not cause many requests."""
_DISCOVERY = "/.well-known/openid-configuration"
_PUBLIC = ("RSA", "EC", "OKP")
_LARGEST = 1 << 18
_SECONDS = 10.0
_LONGEST = 16_384
_EXPECTED = "a valid token of the identity provider"


class _Discovery(msgspec.Struct):
    """The required fields of the issuer's configuration (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    jwks_uri: str


class _KeyList(msgspec.Struct):
    """A JSON Web Key Set (RFC 7517, section 5)."""

    keys: list[dict[str, Any]]


class _Header(msgspec.Struct):
    """The required fields of a token's header (RFC 7515, section 4.1)."""

    kid: str = ""


class OidcAuthentication:
    """Checks bearer tokens of one issuer.

    Args:
        settings: section `[oidc]` of `fleet.toml`.
        wall: returns seconds since 1970.
        monotonic: returns seconds of a monotonic clock.
    """

    def __init__(self, settings: OidcSettings, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._settings, self._wall, self._monotonic = settings, wall, monotonic
        self._lock = asyncio.Lock()
        self._keys: KeySet | None = None
        self._fetched, self._last_try = 0.0, -PAUSE

    async def operator(self, token: str) -> tuple[str, str]:
        """Return name and role of a token's owner; downloads the issuer's keys if necessary.

        Raises:
            RefusedError: 401 for a wrong or expired token, 403 if no claim gives a role, 503 if the issuer's keys are
                unavailable.
        """
        if len(token) > _LONGEST:
            raise RefusedError(401, _EXPECTED, f"one of more than {_LONGEST:,} characters")
        claims = self._verified(token, await self._key_set(token))
        return self._name(claims), self._role(claims)

    def _verified(self, token: str, keys: KeySet) -> dict[str, Any]:
        of = self._settings
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self._wall()),
            leeway=int(of.leeway),
            iss={"essential": True, "value": of.issuer},
            aud={"essential": True, "value": of.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            claims = jwt.decode(token, keys, algorithms=list(of.algorithms))
            registry.validate(claims.claims)
        except (JoseError, ValueError, TypeError) as error:
            got = f"{getattr(error, 'error', type(error).__name__)}: {getattr(error, 'description', '')}".rstrip(": ")
            raise RefusedError(401, _EXPECTED, got[:200], "authorization") from None
        return dict(claims.claims)

    async def _key_set(self, token: str) -> KeySet:
        """Return the issuer's keys; downloads them again if they are old or lack the token's key.

        Raises:
            RefusedError: 401 for an invalid token; 503 if the keys are unavailable.
        """
        name = _key_name(token)
        # Requests wait here for the issuer without occupying a thread.
        async with self._lock:
            if self._wants(name):
                self._last_try = self._monotonic()
                keys = await asyncio.to_thread(self._fetched_keys)
                if keys is not None:
                    self._keys, self._fetched = keys, self._monotonic()
        if self._keys is None or self._monotonic() - self._fetched > STALE:
            expected = f"the keys of {self._settings.issuer}"
            raise RefusedError(503, expected, "no answer", do="Ask again later", wait=PAUSE)
        return self._keys

    def _wants(self, name: str) -> bool:
        """Return whether to download the keys before checking a token with this key id."""
        now = self._monotonic()
        known = self._keys is not None and any(key.kid == name for key in self._keys.keys)
        return (not known or now - self._fetched > FRESH) and now - self._last_try >= PAUSE

    def _fetched_keys(self) -> KeySet | None:
        """Download the issuer's keys; log a failure and return None."""
        issuer = self._settings.issuer
        try:
            discovery = msgspec.json.decode(self._get(issuer.rstrip("/") + _DISCOVERY), type=_Discovery)
            if discovery.issuer != issuer:
                raise Unreachable(f"its description is of {discovery.issuer[:200]!r}")
            listed = msgspec.json.decode(self._get(discovery.jwks_uri), type=_KeyList).keys
            public = [key for key in listed if key.get("kty") in _PUBLIC and key.get("use", "sig") == "sig"]
            return KeySet.import_key_set({"keys": public})
        except (Unreachable, InputError, JoseError, msgspec.DecodeError, ValueError, TypeError, KeyError) as error:
            log.line("warning", "oidc.away", issuer=issuer, why=str(error)[:300])
            return None

    def _get(self, address: str) -> bytes:
        """Download from an address, over TLS or on this machine.

        Raises:
            Unreachable: no answer, or an error status.
            InputError: the address lacks TLS and is not on this machine.
        """
        parts = urlsplit(address)
        transport = HttpTransport(f"{parts.scheme}://{parts.netloc}", self._settings.ca_file)
        try:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            with transport.exchange("GET", path or "/", {}, seconds=_SECONDS) as answer:
                if answer.status != 200:
                    raise Unreachable(f"{address}: status {answer.status}")
                return answer.whole(_LARGEST)
        finally:
            transport.close()

    def _name(self, claims: Mapping[str, Any]) -> str:
        """Return the name for the audit log; its prefix keeps it different from operators with tokens of the fleet."""
        name = str(claims.get(self._settings.name) or claims["sub"])
        return "oidc:" + "".join(c if c.isprintable() else "?" for c in name)[:59]

    def _role(self, claims: Mapping[str, Any]) -> str:
        """Return the highest role in the claim.

        Raises:
            RefusedError: 403 if it contains none.
        """
        value: Any = claims
        for part in self._settings.claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        granted = value if isinstance(value, list) else [value]
        roles = [
            self._settings.roles[name] for name in granted if isinstance(name, str) and name in self._settings.roles
        ]
        if not roles:
            expected = f"{', '.join(sorted(self._settings.roles))} in the claim {self._settings.claim!r}"
            raise RefusedError(403, expected, "none of them", f"operator {self._name(claims)}")
        return max(roles, key=lambda role: RANK[role])


def _key_name(token: str) -> str:
    """Return the key id of a token without verifying the token.

    Raises:
        RefusedError: 401 if it is not a token or has no key id.
    """
    header = token.partition(".")[0]
    try:
        name = msgspec.json.decode(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)), type=_Header).kid
    except (msgspec.DecodeError, ValueError):
        raise RefusedError(401, _EXPECTED, "something else", "authorization") from None
    if not name:
        raise RefusedError(401, _EXPECTED, "one that names no key (kid)", "authorization")
    return name
