"""The text form of an enrolment token: a secret, and the root that the device pins."""

from __future__ import annotations

import re

import msgspec

from edgewright.schema.errors import InputError

PREFIX = "ew1"
_FORM = re.compile(
    r"ew1\.([A-Za-z0-9_-]{16,64})\.([1-9][0-9]{0,8})\.([0-9a-f]{64})\.([a-z0-9][a-z0-9-]{0,62})(?:\.([1-9][0-9]{0,8}))?"
)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an enrolment token.

    Attributes:
        secret: one-time secret; the control plane stores its hash.
        root: version of the pinned root. With `sha256`, the hash of its file, it prevents an attacker on the network
            from replacing the root.
        product: product that the device follows.
        releases: lowest version of the role `releases` that the device accepts, because it contains a signed abort; 0
            for any. Only tokens of a fleet with such an abort contain it, and older devices refuse them.
    """

    secret: str
    root: int
    sha256: str
    product: str
    releases: int = 0

    def text(self) -> str:
        """Return the token as text, as a person types it."""
        floor = f".{self.releases}" if self.releases else ""
        return f"{PREFIX}.{self.secret}.{self.root}.{self.sha256}.{self.product}{floor}"


def read_token(text: str) -> Token:
    """Parse an enrolment token.

    Raises:
        InputError: the text is not a token.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise InputError(
            "an enrolment token ew1.SECRET.ROOT.HASH.PRODUCT", f"{len(text.strip())} characters of another form",
            "the token", "Make one: edgewright fleet token new",
        )  # fmt: skip
    secret, root, sha256, product, releases = match.groups()
    return Token(secret=secret, root=int(root), sha256=sha256, product=product, releases=int(releases or 0))
