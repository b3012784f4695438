#!/usr/bin/env bash
# python-can 4.6.1: a frame of channel 2 written to its log formats and read back by the same library has another channel in
# most of them: 3 from TRC, the text "can2" from candump, none from CSV and SQLite. ASC and BLF return 2. An ASC file
# without `relative_timestamp=False` returns seconds since its start where the others return Unix time.
# Files of two buses that are merged by channel are mixed up, or not told apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet python-can==4.6.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import can

frame = can.Message(timestamp=1_700_000_000.25, arbitration_id=0x123, is_extended_id=False, data=[1, 2], channel=2)
expected = {"asc": 2, "blf": 2, "trc": 3, "log": "can2", "csv": None, "db": None}
for suffix, channel in expected.items():
    name = f"frames.{suffix}"
    with can.Logger(name) as log:
        log.on_message_received(frame)
    if suffix == "db":
        read = next(iter(can.SqliteReader(name)))
    else:
        with can.LogReader(name) as log:
            read = next(iter(log))
    is_relative = suffix == "asc"
    print(f"{suffix}: channel {read.channel!r}, timestamp {read.timestamp:.6f}")
    assert read.channel == channel, (suffix, read.channel)
    assert abs(read.timestamp - (0 if is_relative else frame.timestamp)) < 1e-3, (suffix, read.timestamp)
PYTHON
