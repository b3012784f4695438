"""How a device joins a fleet: a key of its own first, then the root that the token names, then an id."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from edgewright.core.files import write_atomic
from edgewright.fleet.device.control_client import HttpControl
from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.protocol.layout import METADATA_PATH
from edgewright.fleet.protocol.ports import Transport, Unreachable
from edgewright.fleet.protocol.wire.signing import public_text
from edgewright.fleet.protocol.wire.token import Token
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_report import Enrolled, Enrolment

KEY_FILE = "device.key"
TRUST_FOLDER = "trust"
_LARGEST_ROOT = 512_000


def device_key(store: Path) -> Ed25519PrivateKey:
    """The device's key, made where there is none; only its owner reads the file.

    Raises:
        InputError: the file holds something else.
        OutputError: it cannot be written.
    """
    path = store / KEY_FILE
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        write_atomic(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    try:
        found = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise OutputError("the key of this device", error.strerror or str(error), str(path)) from None
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        found, reason = None, str(error)
    else:
        reason = type(found).__name__
    if not isinstance(found, Ed25519PrivateKey):
        raise InputError(
            "an Ed25519 key in PEM", reason[:100], str(path),
            "Take the file away and enrol the device again: it will be another device to the fleet",
        )  # fmt: skip
    return found


def enrol(
    store: Path, state: State, transport: Transport, token: Token, *, name: str = "", profile: str = "", version: str
) -> Enrolled:
    """Joins the fleet behind an address. Broken off anywhere it can be done again with the same token.

    Args:
        store: folder of the device's store.
        state: that keeps the id.
        transport: to the fleet.
        token: one-time.
        name: of the device for people; the machine's name where it is empty.
        profile: hardware profile.
        version: of Edgewright here.

    Raises:
        Unreachable: no answer.
        InputError: refused, or another fleet than the token names.
        OutputError: the storage failed.
    """
    key = device_key(store)
    path = f"{METADATA_PATH}/{token.root}.root.json"
    with transport.exchange("GET", path, {}) as answer:
        if answer.status != 200:
            raise Unreachable(f"{path}: status {answer.status}")
        root = answer.whole(_LARGEST_ROOT)
    pin(store / TRUST_FOLDER, root, token.sha256)
    answered = HttpControl(transport, key).enrol(
        Enrolment(
            token=token.secret, key=public_text(key), name=_plain(name or socket.gethostname()),
            profile=_plain(profile or os.uname().machine), product=token.product, version=version,
        )
    )  # fmt: skip
    state.enrol(answered)
    return answered


def _plain(text: str) -> str:
    """As a name of the wire: letters, digits and `_.:-`, at most 64."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_.:-") else "-" for c in text)[:64]
    return kept if kept[:1].isalnum() else f"d{kept}"[:64]
