"""What an address of the data pages asks for, and addresses with something changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from edgewright.studio.view.data_sources import Origin


@dataclass(frozen=True)
class DataRequest:
    """An address: the data, what is said about reading them, and what of them is shown.

    Attributes:
        page: 'data' or 'labels'.
        origin: of the data.
        said: the query without what is said about reading.
    """

    page: str
    origin: Origin
    said: Mapping[str, str]

    @property
    def path(self) -> str:
        """The address without its query."""
        return f"/{self.page}/{self.origin.kind}/{quote(self.origin.place, safe='/')}"

    def to(self, page: str = "", anchor: str = "", /, **said: object) -> str:
        """The address of the same data with exactly these views."""
        query = {**dict(self.origin.said), **{k: str(v) for k, v in said.items() if v not in ("", None)}}
        where = DataRequest(page, self.origin, {}).path if page else self.path
        return where + (f"?{urlencode(query)}" if query else "") + (f"#{anchor}" if anchor else "")

    def number(self, key: str, most: int, default: int = 1) -> int:
        """A number from 1 to `most`; the default where the address says something else."""
        text = self.said.get(key, "")
        value = int(text) if text.isascii() and text.isdecimal() and len(text) < 13 else default
        return value if 1 <= value <= most else default
