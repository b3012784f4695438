"""Rights on the bus as files of the Mosquitto broker: who may publish and subscribe where, and with which password.

Formats: mosquitto.conf(5), `acl_file` and `password_file`; the hash is that of mosquitto_passwd 2.0: PBKDF2, SHA-512.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import secrets
import shutil
from pathlib import Path

from edgewright.core.files import PRIVATE, os_errors, private_folder, write_atomic, write_together
from edgewright.device.bus.settings import BATCH, SHADOW_USER, BusSettings, Service
from edgewright.schema.errors import OutputError

_ROUNDS, _SALT_BYTES, _HASH_BYTES = 20_000, 12, 64
_HEADER = "# Made by `edgewright bus rights` from bus.toml; changes here are lost.\n"


def users(settings: BusSettings) -> dict[str, Service]:
    """Return all users of the broker with their rights: services as written, devices and the shadow service."""
    services = dict(settings.services)
    for name in settings.devices:
        services[name] = Service(
            publish=(settings.of(name, "reported"), f"{settings.events}/{name}/items"),
            subscribe=(settings.of(name, "state"), settings.of(name, "delta"), f"{settings.events}/{name}/durable"),
        )
    topics = tuple(settings.of("+", part) for part in ("state", "delta"))
    services[SHADOW_USER] = Service(
        publish=(
            *topics, settings.of("+", "copy/+"), settings.status_topic, f"{settings.events}/+/durable",
            *([f"{settings.discovery}/device/+/config"] if settings.discovery else []),
        ),
        subscribe=(
            settings.of("+", "desired"), settings.of("+", "reported"), settings.of("+", "copy/+"),
            f"{settings.events}/+/items",
        ),
    )  # fmt: skip
    return services


def access_list(settings: BusSettings) -> str:
    """Return the access list; what it does not allow is refused."""
    lines = [_HEADER]
    for user, service in sorted(users(settings).items()):
        lines.append(f"user {user}")
        lines += [f"topic write {pattern}" for pattern in service.publish]
        lines += [f"topic read {pattern}" for pattern in service.subscribe]
        lines.append("")
    return "\n".join(lines)


def write_rights(settings: BusSettings, folder: Path, owner: str = "") -> list[str]:
    """Write the broker's files and a password for each user that has none yet; return the names of new users.

    The folder then has mosquitto.conf, `acl` and `passwords` for the broker, and `secrets/USER` for the services. What
    belongs to users that are gone is deleted.

    Args:
        settings: of the bus.
        folder: for the files; made where it is absent.
        owner: user as which the broker runs; who runs this by default.

    Raises:
        OutputError: a file cannot be written, or given to the owner.
    """
    owner = owner or getpass.getuser()
    names, new = sorted(users(settings)), []
    with os_errors(OutputError, "a folder that can be written", folder):
        private_folder(folder / "secrets")
        for old in (folder / "secrets").iterdir():
            if old.name not in names:
                old.unlink()
        for name in names:
            path = folder / "secrets" / name
            if not path.exists():
                write_atomic(path, secrets.token_urlsafe(24).encode() + b"\n", PRIVATE)
                new.append(name)
        known = {name: (folder / "secrets" / name).read_text(encoding="utf-8").strip() for name in names}
    hashed = "".join(f"{name}:{password_hash(password)}\n" for name, password in known.items())
    config = (
        f"{_HEADER}listener {settings.broker.port} {settings.broker.host}\nallow_anonymous false\nuser {owner}\n"
        f"acl_file {folder.absolute() / 'acl'}\npassword_file {folder.absolute() / 'passwords'}\n"
        "# Messages for a service that is away outlive a restart of the broker.\n"
        f"persistence true\npersistence_location {folder.absolute()}/\nmax_queued_messages 100000\n"
        "# So many are made durable together.\n"
        f"max_inflight_messages {BATCH}\n"
    )
    files = {"acl": access_list(settings), "passwords": hashed, "mosquitto.conf": config}
    write_together({folder / name: text.encode() for name, text in files.items()}, PRIVATE)
    if owner != getpass.getuser():
        try:
            for path in (folder, *(folder / name for name in files)):
                shutil.chown(path, owner)
        except (LookupError, OSError) as error:
            raise OutputError(
                "files that the broker's user may read", str(error), "--owner", "Run it as root"
            ) from None
    return new


def password_hash(password: str, salt: bytes = b"") -> str:
    """Return a password as mosquitto_passwd writes it; a new salt by default."""
    salt = salt or os.urandom(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, _HASH_BYTES)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
