"""Drift: whether a channel still looks as it did in training, in under 1,000 bytes a channel.

`stream_monitor.py` holds the channels of a stream; `change_detection.py` is what a channel remembers,
`reference_test.py` compares it with the package's reference.
docs/research/monitoring.md has the decision.
"""
