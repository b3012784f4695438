"""A folder in the place of a network: a USB stick that is mounted on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from edgewright.fleet.protocol.ports import Answer, Unreachable
from edgewright.schema.errors import InputError

_PIECE = 1 << 16


class FolderTransport:
    """A transport as `fleet.protocol.ports.Transport` that reads files; nothing can be sent.

    Args:
        folder: that holds `metadata` and `targets`.

    Raises:
        InputError: it does not.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        if not (self._folder / "metadata").is_dir():
            raise InputError("a folder with `metadata` and `targets`", "none", str(folder), "Is the stick mounted?")

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        """Reads one file; status 404 where there is none."""
        parts = PurePosixPath(path).parts[1:]
        place = self._folder.joinpath(*parts)
        # A link that leads out of the stick is not followed.
        if method != "GET" or ".." in parts or not place.resolve().is_relative_to(self._folder) or not place.is_file():
            yield Answer(status=404, headers={}, body=iter(()))
            return
        start = int(headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        yield Answer(status=206 if "Range" in headers else 200, headers={}, body=_pieces(place, start))


def _pieces(path: Path, start: int) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise Unreachable(f"{path.name}: {error.strerror or error}") from None
