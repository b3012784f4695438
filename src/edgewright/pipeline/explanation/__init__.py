"""One prediction and a run explained: layer by layer, in a notebook."""
