"""Ed25519 and SHA-512 as boards have them: RFC 8032, `cryptography`, and signatures made to be hard."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from board_example import SANITIZED, STRICT, text_of
from c99_stages import need_compiler
from edgewright.export.c99_host.host import compiler_command

ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19
# RFC 8032, 7.1: secret key, public key, message, signature.
RFC = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246"
        "55141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb"
        "00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc"
        "027beceea1ec40a",
    ),
)
# Keys of order 1, 2, 4 and 8, written canonically and not.
SMALL = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
PROGRAM = r"""
#include "net_verify.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    static char line[1 << 14];
    static uint8_t bytes[1 << 13];
    while (fgets(line, sizeof line, stdin) != 0) {
        const uint32_t count = (uint32_t)strcspn(line, "\n") / 2;
        for (uint32_t i = 0; i < count; ++i) {
            const char two[3] = {line[2 * i], line[2 * i + 1], 0};
            bytes[i] = (uint8_t)strtoul(two, 0, 16);
        }
        static net_sha512 hash;
        uint8_t digest[64];
        net_sha512_begin(&hash);
        net_sha512_add(&hash, bytes, 32);
        net_sha512_add(&hash, bytes + 64, count - 64);
        net_sha512_end(&hash, digest);
        printf("%d", net_ed25519_right(bytes, bytes + 64, digest));
        for (int i = 0; i < 64; ++i) {
            printf("%02x", digest[i]);
        }
        printf("\n");
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_compiler()
    folder = tmp_path_factory.mktemp("signatures")
    for name, text in {
        "net_verify.h": text_of("verify.h"),
        "net_verify.c": text_of("verify.c"),
        "p.c": PROGRAM,
    }.items():
        (folder / name).write_text(text)
    command = [*compiler_command(), *STRICT, *SANITIZED, "-I.", "net_verify.c", "p.c", "-o", "p"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    return folder / "p"


def right(program: Path, *cases: tuple[bytes, bytes, bytes]) -> list[bool]:
    """Of (signature, key, message): whether each is right; hashes are compared with hashlib's on the way."""
    import hashlib

    lines = "".join(f"{(s + k + m).hex()}\n" for s, k, m in cases)
    done = subprocess.run([str(program)], input=lines, capture_output=True, text=True, check=True, timeout=60)
    messages = done.stdout.split()
    assert len(messages) == len(cases)
    for line, (signature, key, message) in zip(messages, cases, strict=True):
        assert line[1:] == hashlib.sha512(signature[:32] + key + message).hexdigest()
    return [line[0] == "1" for line in messages]


@pytest.mark.slow
def test_rfc_8032(program: Path) -> None:
    cases = [(bytes.fromhex(s), bytes.fromhex(k), bytes.fromhex(m)) for _, k, m, s in RFC]
    for (secret, *_), (signature, key, message) in zip(RFC, cases, strict=True):
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
        assert (private.public_key().public_bytes_raw(), private.sign(message)) == (key, signature)
    assert right(program, *cases) == [True] * 3
    assert right(program, *((s, k, m + b"x") for s, k, m in cases)) == [False] * 3


@pytest.mark.slow
def test_as_cryptography_for_random_messages_and_single_bits(program: Path) -> None:
    rng = np.random.default_rng(0)
    good, bad = [], []
    for length in (*range(60), 63, 64, 65, 127, 128, 129, 300):
        private = Ed25519PrivateKey.from_private_bytes(rng.bytes(32))
        message = rng.bytes(length)
        signature, key = private.sign(message), private.public_key().public_bytes_raw()
        good.append((signature, key, message))
        index = int(rng.integers(0, 512))
        flipped = bytearray(signature)
        flipped[index // 8] ^= 1 << (index % 8)
        bad.append((bytes(flipped), key, message))
    assert all(right(program, *good))
    assert not any(right(program, *bad))


def test_what_is_not_canonical_or_of_small_order_is_wrong(program: Path) -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key, message = private.public_key().public_bytes_raw(), b"weights"
    signature = private.sign(message)
    number = int.from_bytes(signature[32:], "little")
    cases = [(signature[:32] + (number + k * ORDER).to_bytes(32, "little"), key, message) for k in (1, 2, 8, 15)]
    cases += [(signature[:32] + s.to_bytes(32, "little"), key, message) for s in (0, ORDER, 2**256 - 1, ORDER - 1)]
    # R beyond the prime, and the neutral element with S = 0.
    cases += [((PRIME + 1).to_bytes(32, "little") + signature[32:], key, message)]
    for small in map(bytes.fromhex, SMALL):
        # Under a key of small order, R = identity and S = 0 would sign one message in eight or more.
        cases += [(bytes.fromhex(SMALL[0]) + bytes(32), small, bytes([n])) for n in range(4)]
        cases += [(small + bytes(32), small, b"")]
    # A key that names no point: x^2 would be no square.
    cases += [(signature, (2).to_bytes(32, "little"), message)]
    # The same key with its sign turned, and one beyond the prime.
    cases += [(signature, key[:31] + bytes([key[31] ^ 0x80]), message)]
    cases += [(signature, b"\xff" * 31 + b"\x7f", message)]
    assert right(program, (signature, key, message)) == [True]
    assert not any(right(program, *cases))
