"""Drift: whether a channel still looks as it did in training, in under 1,000 bytes a channel.

`stream_monitor.py` holds a stream's channels, `channel.py` one of them; `sketch.py`, `ring_buffer.py` and
`change_detection.py` are what a channel remembers, `reference_test.py` compares it with the package's reference.
docs/research/monitoring.md has the decision.
"""
