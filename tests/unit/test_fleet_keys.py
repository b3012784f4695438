"""Keys of a fleet: files, passphrases, and what follows a theft."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from edgewright.core.errors import (
    ExistingFileError,
    FileModeError,
    InputError,
    OutputError,
    PassphraseError,
    SigningKeyError,
)
from edgewright.fleet.protocol.keys import Ring, make_key, read_key, read_passphrase, read_public
from edgewright.fleet.protocol.layout import INDEX, ONLINE
from edgewright.fleet.repository import acceptance, metadata
from edgewright.fleet.repository.acceptance import online_signers, read_held, sign_online
from edgewright.fleet.repository.folder import open_fleet, read_published, write_roles
from fleet_servers import Server, Signed, until
from support import left_out


def test_a_key_is_for_its_owner_alone_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "root-1.key"
    signer = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key_pair = read_key(path)
    assert key_pair is not None
    assert key_pair.public_key == signer.public_key == read_public(tmp_path / "root-1.pub")
    key_pair.public_key.verify_signature(signer.sign(b"payload"), b"payload")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["root-1.key", "root-1.pub"]


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "root-1.key"
    make_key(path)
    before = path.read_bytes()
    with pytest.raises(ExistingFileError):
        make_key(path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["root-1.key", "root-1.pub"]


def test_a_key_for_a_file_system_without_links_is_not_written_over_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "root-1.key"
    make_key(path)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ExistingFileError):
        make_key(path)
    assert path.read_bytes() == before


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        make_key(tmp_path / "root-1.key")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_passphrase_protects_and_a_wrong_one_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "root-1.key"
    signer = make_key(path, b"correct horse")
    assert path.read_text(encoding="utf-8").startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert read_key(path) is None
    assert read_key(path, (b"wrong",)) is None
    key_pair = read_key(path, (b"wrong", b"correct horse"))
    assert key_pair is not None and key_pair.public_key == signer.public_key
    with pytest.raises(
        InputError, match=r"at least 8 bytes, got one of 5 - at the key root-2\.key\. .*--passphrase-file"
    ):
        make_key(tmp_path / "root-2.key", b"short")


@pytest.mark.slow
def test_openssl_reads_an_encrypted_key(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        left_out("no openssl")
    path = tmp_path / "root-1.key"
    signer = make_key(path, b"correct horse")
    message = subprocess.run(
        [str(openssl), "pkey", "-in", str(path), "-passin", "pass:correct horse", "-noout", "-text"],
        capture_output=True, text=True, check=True, timeout=30,
    ).stdout  # fmt: skip
    public = "".join(message.split("pub:")[1].split()).replace(":", "")
    assert public == signer.public_key.keyval["public"]


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "root-1.key"
    make_key(path)
    path.chmod(0o640)
    with pytest.raises(FileModeError):
        read_key(path)


def test_a_public_half_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "root-1.key"
    make_key(path)
    other = make_key(tmp_path / "root-2.key")
    record = msgspec.json.decode(path.with_suffix(".pub").read_bytes())
    record["keyval"] = other.public_key.keyval
    path.with_suffix(".pub").write_bytes(msgspec.json.encode(record))
    with pytest.raises(SigningKeyError):
        read_public(path.with_suffix(".pub"))


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"keyid": "a", "keytype": "rsa"}', b"nonsense"])
def test_what_is_no_key_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    public, private = tmp_path / "a.pub", tmp_path / "a.key"
    public.write_bytes(content)
    private.write_bytes(content)
    private.chmod(0o600)
    with pytest.raises(SigningKeyError):
        read_public(public)
    with pytest.raises(SigningKeyError):
        read_key(private)


@pytest.mark.slow
def test_a_ring_finds_keys_by_id_and_opens_only_what_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "stick" / "x").mkdir(parents=True)
    one = make_key(tmp_path / "stick" / "x" / "a.key")
    two = make_key(tmp_path / "stick" / "b.key", b"correct horse")
    ring = Ring([tmp_path / "stick"])
    assert [s.public_key.keyid for s in ring.signers([one.public_key, two.public_key])] == [one.public_key.keyid]
    assert "b.key" in ring.why() and "--passphrase-file" in ring.why()
    opened = Ring([tmp_path / "stick"], [b"correct horse"])
    assert len(opened.signers([one.public_key, two.public_key])) == 2
    wrong = Ring([tmp_path / "stick"], [b"wrong"])
    assert wrong.signers([two.public_key]) == []
    assert "none of the passphrases opens" in wrong.why()
    with pytest.raises(InputError, match="nothing"):
        Ring([tmp_path / "absent"])


def test_a_key_behind_a_uri_is_used(tmp_path: Path) -> None:
    signer = make_key(tmp_path / "a.key")
    key = signer.public_key
    ring = Ring([], uris={key.keyid: f"file2:{tmp_path / 'a.key'}"})
    key_pair = ring.signer(key)
    assert key_pair is not None
    key.verify_signature(key_pair.sign(b"x"), b"x")
    with pytest.raises(SigningKeyError):
        Ring([], uris={key.keyid: "nowhere:1"}).signer(key)


def test_a_passphrase_is_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"correct horse\r\nrest\n")
    assert read_passphrase(path) == b"correct horse"
    path.write_bytes(b"\n")
    with pytest.raises(PassphraseError, match="nothing"):
        read_passphrase(path)
    with pytest.raises(InputError, match="No such file"):
        read_passphrase(tmp_path / "absent")


PLAN = "plan-1"


def online_keys(folder: Path) -> set[str]:
    published = read_held(open_fleet(folder))
    return {key for role in ONLINE for key in metadata.role_of(published, role).keyids}


@pytest.mark.slow
@pytest.mark.parametrize("running", [False, True], ids=["alone", "next to a server"])
def test_the_commands_after_a_theft_end_what_the_key_steered(tmp_path: Path, cli: Cli, running: bool) -> None:
    signed = Signed(tmp_path, {})
    here = ("--fleet", signed.folder)
    cli("fleet", "rollout", "start", "--signed", PLAN, *here)
    signed.token()
    fleet, old = open_fleet(signed.folder), online_keys(signed.folder)
    published = read_published(fleet)
    thief = online_signers(fleet, published)
    server = Server(signed.folder).wait() if running else None
    try:
        for role in ONLINE:
            cli("fleet", "key", "rotate", role, *here)
        cli("fleet", "rollout", "abort", PLAN, "--why", "online keys stolen", *here)
        cli("fleet", "rollout", "confirm", PLAN, *here)
        (token,) = cli.json("fleet", "token", "list", *here)["tokens"]
        cli("fleet", "token", "revoke", token["id"], *here)
        if server is None:  # the next start publishes the new keys
            server = Server(signed.folder).wait()
        until(lambda: not acceptance.waiting(fleet), lambda: "".join(server.log))
        until(server.ready)
    finally:
        if server is not None:
            server.end()
    assert not old & online_keys(signed.folder)
    assert signed.states() == {PLAN: "aborted"}
    assert signed.seen()[PLAN].state == "aborted"
    assert cli.json("fleet", "token", "list", *here)["tokens"] == []
    assert cli("fleet", "audit", "verify", *here)
    # What the thief signs from now on counts nowhere.
    targets = {INDEX: signed.device.read(INDEX) or b""}
    write_roles(fleet, sign_online(published, targets, thief, time.time(), {}, above=dict.fromkeys(ONLINE, 1 << 20)))
    with pytest.raises(Exception, match=r"signed by|threshold|signature"):
        signed.device.read(INDEX)
