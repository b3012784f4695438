"""Small simulated data to try things on: `edgewright sample` writes them, and the studio offers the tables."""

from __future__ import annotations

SAMPLES: dict[str, dict[str, object]] = {
    "machine": {"kind": "machine", "rows": 3000, "machines": 25},
    "motion": {"kind": "wearable", "rows": 6000, "people": 20},
    "room": {"kind": "room", "rows": 9600, "rooms": 24},
}
"""Tables [data] by name."""
SPEECH: dict[str, object] = {"kind": "speech", "speakers": 20, "repetitions": 4}
"""Table [data] of recordings, a WAV file each."""
