"""An enrolment token as it is handed to a device: a secret, and what the device must believe from then on."""

from __future__ import annotations

import re

import msgspec

from edgewright.schema.errors import InputError

PREFIX = "ew1"
_FORM = re.compile(r"ew1\.([A-Za-z0-9_-]{16,64})\.([1-9][0-9]{0,8})\.([0-9a-f]{64})\.([a-z0-9][a-z0-9-]{0,62})")


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says.

    Attributes:
        secret: that the control plane knows by its hash.
        root: version of the root that is pinned, and `sha256` of its file: whoever stands between the device and its
            fleet cannot put a root of their own in its place.
        product: that the device follows.
    """

    secret: str
    root: int
    sha256: str
    product: str

    def text(self) -> str:
        """Return the token as a person types it."""
        return f"{PREFIX}.{self.secret}.{self.root}.{self.sha256}.{self.product}"


def read_token(text: str) -> Token:
    """Return the token in a text.

    Raises:
        InputError: it is none.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise InputError(
            "an enrolment token ew1.SECRET.ROOT.HASH.PRODUCT", f"{len(text.strip())} characters of another form",
            "the token", "Make one: edgewright fleet token new",
        )  # fmt: skip
    secret, root, sha256, product = found.groups()
    return Token(secret=secret, root=int(root), sha256=sha256, product=product)
