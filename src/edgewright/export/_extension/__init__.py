"""Parts of the extension: packed weights, the network's code for this machine, the Python module around it."""
