"""A client of an MQTT broker, and passwords that lie in files."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from edgewright.core.errors import InputError, MissingExtraError, PasswordError, TextEncodingError
from edgewright.core.files import os_errors


def first_line(path: str) -> str:
    """Return the first line of a file that is not blank, such as a password.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8").strip().partition("\n")[0].strip()
    except OSError as error:
        raise PasswordError("a file with a password", str(error), path) from None
    except UnicodeDecodeError:  # whose text quotes a byte of the password
        raise TextEncodingError("a file with a password", "text that is not UTF-8", path) from None


def paho() -> Any:  # noqa: ANN401 - paho has no types
    """Load the module of paho-mqtt that has the client.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("paho.mqtt.client")
    except ModuleNotFoundError:
        raise MissingExtraError("device", "paho-mqtt, which speaks to the broker,") from None


def new_client(
    name: str, *, user: str = "", password_file: str = "", tls: bool = False, ca_file: str = "", certificate: str = "",
    key_file: str = "", **settings: int,
) -> Any:  # noqa: ANN401  # fmt: skip
    """Return a client that is not connected yet.

    Args:
        name: at the broker.
        user: at the broker; empty for none.
        password_file: file whose first line is the password; empty for none.
        tls: encrypt the line, also with the system's certificates alone.
        ca_file: certificates that are trusted instead of the system's; they encrypt the line, too.
        certificate: of this client in PEM; empty for none.
        key_file: its key in PEM, without a password.
        settings: as paho's client takes them, such as `manual_ack`.

    Raises:
        InputError: a file cannot be read.
    """
    library = paho()
    client = library.Client(library.CallbackAPIVersion.VERSION2, client_id=name, **settings)
    if user:
        client.username_pw_set(user, first_line(password_file) if password_file else None)
    if tls or ca_file:
        for file, expected in (
            (ca_file, "a file of certificates"),
            (certificate, "a certificate"),
            (key_file, "a key"),
        ):
            if file:
                with os_errors(InputError, expected, file), Path(file).open("rb"):
                    pass
        with os_errors(InputError, "certificates and a key in PEM", certificate or ca_file or "[[sink]]"):
            # An empty password: without one, a key that has one would ask a person for it.
            client.tls_set(ca_file or None, certificate or None, key_file or None, keyfile_password="")
    return client
