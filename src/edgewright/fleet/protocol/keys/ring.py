"""The keys that are at hand, and who of them may sign a role."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from securesystemslib.signer import Key, Signer

from edgewright.fleet.protocol.keys.files import PRIVATE, PUBLIC, read_key, read_public
from edgewright.schema.errors import InputError, MissingExtraError


class Ring:
    """Finds keys by id in folders and one folder below them, without opening those that nobody asks for.

    Args:
        folders: where `*.key` files lie; a file counts as itself.
        passphrases: tried in turn.
        uris: by key id, for keys elsewhere (a hardware module, a cloud's), as securesystemslib takes them.
    """

    def __init__(
        self, folders: Iterable[Path], passphrases: Sequence[bytes] = (), uris: dict[str, str] | None = None
    ) -> None:
        self._passphrases, self._uris = tuple(passphrases), dict(uris or {})
        self._files: dict[str, Path] = {}
        self._locked: list[Path] = []
        for folder in folders:
            found = [folder] if folder.is_file() else [*folder.glob(f"*{PRIVATE}"), *folder.glob(f"*/*{PRIVATE}")]
            if not found and not folder.exists():
                raise InputError("a folder or file with keys", "nothing", str(folder))
            for file in sorted(found):
                self._note(file)

    def _note(self, file: Path) -> None:
        public = file.with_suffix(PUBLIC)
        if public.exists():
            self._files.setdefault(read_public(public).keyid, file)
            return
        signer = read_key(file, self._passphrases)
        if signer is None:
            self._locked.append(file)
        else:
            self._files.setdefault(signer.public_key.keyid, file)

    def file(self, name: str) -> Path | None:
        """Where the key of that id lies."""
        return self._files.get(name)

    def signer(self, key: Key) -> Signer | None:
        """What signs with a key; None where the key is not at hand or no passphrase opens it.

        Raises:
            InputError: its file or URI cannot be used.
        """
        if key.keyid in self._uris:
            return _from_uri(self._uris[key.keyid], key)
        file = self._files.get(key.keyid)
        if file is None:
            return None
        found = read_key(file, self._passphrases)
        if found is None:
            self._locked.append(file)
            return None
        if found.public_key.keyid != key.keyid:
            raise InputError(f"the key {key.keyid[:16]}...", f"{found.public_key.keyid[:16]}...", str(file))
        return found

    def signers(self, keys: Iterable[Key]) -> list[Signer]:
        """Signers of all keys that are at hand."""
        found = (self.signer(key) for key in keys)
        return [signer for signer in found if signer is not None]

    def why(self) -> str:
        """What a message may add where keys are missing."""
        locked = ", ".join(sorted({str(file) for file in self._locked}))
        if not locked:
            return ""
        said = (
            "none of the passphrases opens" if self._passphrases else "a passphrase is needed (--passphrase-file) for"
        )
        return f"{said} {locked}"


def _from_uri(uri: str, key: Key) -> Signer:
    kind = uri.split(":", maxsplit=1)[0]
    try:
        return Signer.from_priv_key_uri(uri, key)
    except ImportError:
        raise MissingExtraError("fleet", f"what {kind}: keys need") from None
    except Exception as error:  # noqa: BLE001 - every kind of module raises its own
        raise InputError(
            "a key behind this URI", str(error) or type(error).__name__, uri.split(":", maxsplit=1)[0]
        ) from None
