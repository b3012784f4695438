"""Pages for a phone on the local network: record labelled samples, run a model (docs/research/targets.md)."""
