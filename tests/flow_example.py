"""A dialogue that answers from the manual of `documents_example`, and its pages in a studio over the folder above."""

from __future__ import annotations

from pathlib import Path

from documents_example import manual_index

FLOW = """# What the drill's manual says.
name = "drill"
states = ["idle", "look_up"]  # two
initial = "idle"

[retrieve.look_up]
index = "drill.index"

# Whatever is said is a question.
[[steps]]
state = "idle"
event = "*"
to = "look_up"

# The manual knows.
[[steps]]
state = "look_up"
event = "found"
to = "idle"
actions = [{ say = "{answer}" }]

# It does not.
[[steps]]
state = "look_up"
event = "not_found"
to = "idle"
actions = [{ say = "Not in the manual." }]
"""
AT = "/flow/edit/drill/flow.toml"
RUN = "/flow/run/drill/flow.toml"


def flow_folder(folder: Path) -> Path:
    """Return a studio's folder that holds the dialogue with its index."""
    (folder / "drill").mkdir(parents=True)
    manual_index(folder / "drill")
    (folder / "drill" / "flow.toml").write_text(FLOW)
    return folder
