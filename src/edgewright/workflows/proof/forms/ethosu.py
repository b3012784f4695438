"""The .tflite of the int8 network compiled by Vela, when `--device` names a device with an Ethos-U.

Nothing here runs the compiled file: the proof says what was placed where, beside the forms that were run.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator

from edgewright.core.errors import InputError
from edgewright.proof.tolerance import Form
from edgewright.workflows.proof.forms import Forms, Subject
from edgewright.workflows.proof.forms.litert import Network, network_file, networks, whole_file


def has_compiler(device: str) -> bool:
    """Return whether a profile has an accelerator whose compiler can be run here."""
    return bool(_configurations(device))


def _configurations(device: str) -> list[str]:
    profiles = importlib.import_module("edgewright.profiles.catalogue")
    known = importlib.import_module("edgewright.export.vela").CONFIGURATIONS
    if device not in profiles.listing():
        return []
    return [
        accelerator.configuration
        for accelerator in profiles.load_profile(device).accelerators
        if accelerator.configuration in known
    ]


def _make(subject: Subject) -> Iterator[Form]:
    if subject.device and importlib.util.find_spec("ai_edge_litert") is not None:
        for configuration in _configurations(subject.device):
            for network in networks(subject):
                if network.integers and network.network is not None:
                    _compile(subject, network, configuration)
    yield from ()


def _compile(subject: Subject, network: Network, configuration: str) -> None:
    """Note what Vela makes of a whole file and of its network."""
    vela = importlib.import_module("edgewright.export.vela")
    for name in ("whole .tflite", ".tflite"):
        try:
            model = (
                network_file(network.network) if name == ".tflite" and network.network else whole_file(network).model
            )
            reason = f"{vela.compile_vela(model, configuration)}; {vela.NOT_RUN}"
        except InputError as error:
            reason = str(error)
        subject.missing(f"{network.numbers} {name} on {configuration}", reason)


FORMS = Forms(rank=48, make=_make, targets=("ethosu",))
