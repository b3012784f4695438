"""Pages for a phone on the local network: record labelled samples, run the model of a run. See docs/adr/0067."""
