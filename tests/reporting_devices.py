"""Devices that do nothing but report, over the very transport of the agent: who of them noticed anything?

`python reporting_devices.py URL CA TOKENS COUNT`: a JSON line with their names once all have reported, and another one
when the standard input ends: what each was acknowledged, and what it noticed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.core.records.fleet import Enrolment, Report
from edgewright.fleet.device.enrollment import HttpControl
from edgewright.fleet.protocol.transport import HttpTransport, public_text

_PAUSE = 0.6
"""Seconds between two reports: below what one device may ask."""


class Reporting:
    """One device, in a thread of its own."""

    def __init__(self, number: int, url: str, ca: str, token: str) -> None:
        self.number, self.token = number, token
        self.transport, self.key = HttpTransport(url, ca), Ed25519PrivateKey.generate()
        self.control = HttpControl(self.transport, self.key)
        self.acknowledged, self.noticed = 0, list[str]()
        self.device = ""

    def run(self, ended: threading.Event) -> None:
        """Report until the end; what is refused or not answered is noticed."""
        mine = Enrolment(
            token=self.token, key=public_text(self.key), name=f"r{self.number}", profile="pi", product="pump"
        )
        enrolled = self.control.enrol(mine)
        self.device, nonce = enrolled.device, enrolled.nonce
        while not ended.wait(_PAUSE):
            index = self.acknowledged
            item = {"device": "d", "boot": 1, "sequence": index, "kind": "event", "put": time.time() - 1.0, "body": {}}
            report = Report(
                sequence=index, nonce=nonce, clock=time.time(), counter=0, floor=0, phase="idle",
                items=(msgspec.Raw(msgspec.json.encode(item)),),
            )  # fmt: skip
            try:
                nonce = self.control.report(report).nonce
            except Exception as error:  # noqa: BLE001 - whatever it is, it was noticed
                self.noticed.append(f"{time.time():.3f} {type(error).__name__}: {error}")
                continue
            self.acknowledged += 1
        self.transport.close()


def main(url: str, ca: str, tokens: str, count: int) -> None:
    """As the module says."""
    token = Path(tokens).read_text().strip()
    devices, ended = [Reporting(number, url, ca, token) for number in range(count)], threading.Event()
    threads = [threading.Thread(target=one.run, args=(ended,), daemon=True) for one in devices]
    for thread in threads:
        thread.start()
    while not all(one.acknowledged for one in devices) and not any(one.noticed for one in devices):
        time.sleep(0.05)
    print(json.dumps([one.device for one in devices]), flush=True)
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join(60)
    print(json.dumps({one.device: [one.acknowledged, one.noticed] for one in devices}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
