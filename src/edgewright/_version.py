"""The version of this tree: of `edgewright`, of `edgewright-device`, and of what both write."""

__version__ = "0.2.0"
