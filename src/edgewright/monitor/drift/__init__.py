"""Drift: whether a channel still looks as it did in training, in under 1,000 bytes a channel.

`watch.py` holds a stream's channels, `channel.py` one of them; `sketch.py`, `ring.py` and `change.py` are what a
channel remembers, `against.py` compares it with the package's reference. docs/adr/0025-drift.md tells why it is so.
"""
