"""An identity provider on this machine: its description, its keys, and tokens as right or as wrong as a test wants."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey


class Issuer:
    """Serves discovery and keys on a loopback port.

    Attributes:
        address: of the issuer, as its tokens name it.
        keys: that it publishes, by name.
        asked: paths in the order in which they were asked for.
        away: it answers 503 to everything.
    """

    def __init__(self) -> None:
        self.keys: dict[str, RSAKey | ECKey] = {}
        self.asked: list[str] = []
        self.away, self.named = False, ""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                content = json.dumps(issuer.answer(self.path)).encode()
                self.send_response(503 if issuer.away else 200)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/realms/site"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.rotate("first")

    def rotate(self, name: str) -> None:
        """Publish one key more."""
        self.keys[name] = ECKey.generate_key("P-256", {"kid": name, "use": "sig"})

    def answer(self, path: str) -> dict[str, Any]:
        if path.endswith("/.well-known/openid-configuration"):
            return {"issuer": self.named or self.address, "jwks_uri": f"{self.address}/keys?v=1", "claims": ["sub"]}
        strange = {"kty": "XYZ", "kid": "strange"}
        return {"keys": [strange, *(key.as_dict(private=False) for key in self.keys.values())]}

    def token(self, key: str = "first", header: dict[str, Any] | None = None, **claims: Any) -> str:  # noqa: ANN401
        """Return a token that is right but for what is named; a claim of None is left out."""
        now = int(time.time())
        usual = {
            "iss": self.address, "aud": "fleet", "sub": "4711", "preferred_username": "ada", "iat": now,
            "exp": now + 300, "realm_access": {"roles": ["staff", "fleet-operators"]},
        }  # fmt: skip
        chosen = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode({"alg": "ES256", "kid": key, **(header or {})}, chosen, self.keys[key])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
