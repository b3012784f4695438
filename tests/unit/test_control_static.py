"""Signed files over HTTP: what caches, resumed downloads and strangers' paths get."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Scope

from edgewright.fleet.server.api.app import Static
from edgewright.fleet.server.control_plane import Counters, Plane
from fleet_plane import Client, plane_of

pytestmark = pytest.mark.anyio

HASH = "ab" * 32
BIG = bytes(range(256)) * 6000  # more than is kept in memory


def ask(folder: Path, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def go(plane: Plane) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await Client(plane).ask(method, path, headers=named)

    with plane_of(folder) as plane:
        (folder / "public" / "metadata" / "2.root.json").write_bytes(b'{"two":2}')
        (folder / "public" / "metadata" / "timestamp.json").write_bytes(b"0123456789")
        packages = folder / "public" / "targets" / "packages"
        packages.mkdir(exist_ok=True)
        (packages / f"{HASH}.big.edge").write_bytes(BIG)
        (folder / "public" / "secret").write_bytes(b"not served")
        return asyncio.run(go(plane))


@pytest.mark.parametrize(
    ("path", "caching"),
    [
        ("/metadata/2.root.json", "public, max-age=31536000, immutable"),
        ("/metadata/timestamp.json", "public, max-age=5, must-revalidate"),
        ("/metadata/root.json", "public, max-age=60, must-revalidate"),
        (f"/targets/packages/{HASH}.big.edge", "public, max-age=31536000, immutable"),
        ("/metadata/3.root.json", "public, max-age=30"),
        ("/targets/packages/nothing", "public, max-age=5"),
    ],
)
def test_how_long_caches_may_keep(tmp_path: Path, path: str, caching: str) -> None:
    assert ask(tmp_path, path).headers["cache-control"] == caching


def test_what_has_not_changed_is_not_sent(tmp_path: Path) -> None:
    first = ask(tmp_path, "/metadata/timestamp.json")
    assert first.content == b"0123456789"
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = ask(tmp_path, "/metadata/timestamp.json", if_none_match=given)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert ask(tmp_path, "/metadata/timestamp.json", if_none_match='"other"').status_code == 200
    head = ask(tmp_path, "/metadata/timestamp.json", "HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")


@pytest.mark.parametrize("path", ["/metadata/timestamp.json", f"/targets/packages/{HASH}.big.edge"])
def test_downloads_resume(tmp_path: Path, path: str) -> None:
    whole = ask(tmp_path, path).content
    size = len(whole)
    for requested, first, after in (("4-", 4, size), ("2-5", 2, 6), ("-3", size - 3, size), (f"3-{size + 9}", 3, size)):
        part = ask(tmp_path, path, range=f"bytes={requested}")
        assert part.status_code == 206
        assert part.content == whole[first:after]
        assert part.headers["content-range"] == f"bytes {first}-{after - 1}/{size}"
    outside = ask(tmp_path, path, range=f"bytes={size}-")
    assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{size}")
    for odd in ("bytes=5-2", "bytes=1-2,4-5", "lines=1-2", "bytes=-", "bytes=x"):
        assert ask(tmp_path, path, range=odd).content == whole
    assert ask(tmp_path, path, range="bytes=4-", if_range='"older"').content == whole
    tag = ask(tmp_path, path).headers["etag"]
    assert ask(tmp_path, path, range="bytes=4-", if_range=tag).status_code == 206


@pytest.mark.parametrize(
    "path",
    [
        "/metadata/../fleet.toml", "/metadata/%2e%2e/secret", "/metadata/..%2fsecret", "/metadata/", "/metadata//x",
        "/targets/./packages", "/targets/packages", "/metadata/link.json", "/metadata/.hidden", "/metadata/x%00",
        "/metadata/" + "a" * 300, "/targets/a/b/c/d/e/f/g/h", "/metadata/folder/inside",
    ],
)  # fmt: skip
def test_no_path_leaves_the_folder(tmp_path: Path, path: str) -> None:
    metadata = tmp_path / "public" / "metadata"
    (metadata / "folder").mkdir(parents=True)
    (metadata / "link.json").symlink_to(tmp_path / "fleet.toml")
    (metadata / ".hidden").write_text("x")
    assert ask(tmp_path, path).status_code == 404


async def test_a_renamed_file_is_seen_at_once(plane: Plane) -> None:
    client = Client(plane)
    path = plane.public / "metadata" / "timestamp.json"
    tags = set()
    for number in range(30):
        content = f"{number:04d}".encode()
        partial = path.with_name(".new")
        partial.write_bytes(content)
        os.utime(partial, ns=(10**18, 10**18))  # neither size nor time tells them apart
        partial.replace(path)
        answer = await client.ask("GET", "/metadata/timestamp.json")
        assert answer.content == content
        tags.add(answer.headers["etag"])
    assert len(tags) == 30


def test_files_are_only_read(tmp_path: Path) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = ask(tmp_path, "/metadata/timestamp.json", method)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_a_download_holds_no_file_while_its_client_reads_and_never_mixes_two_files(tmp_path: Path) -> None:
    path = tmp_path / "targets" / "big.edge"
    path.parent.mkdir()
    path.write_bytes(BIG)
    parts: list[bytes] = []

    async def send(message: Message) -> None:
        open_files = [str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.exists()]
        assert str(path) not in open_files
        parts.append(message.get("body", b""))
        if replaced and len(parts) == 3:
            (tmp_path / "new").write_bytes(b"n" * len(BIG))
            (tmp_path / "new").replace(path)

    scope: Scope = {"type": "http", "path": "/targets/big.edge", "method": "GET", "headers": []}
    for replaced in (False, True):
        parts.clear()
        asyncio.run(Static(tmp_path, Counters())(scope, None, send))  # type: ignore[arg-type]
        assert (BIG.startswith(b"".join(parts)), b"".join(parts) == BIG) == (True, not replaced)
