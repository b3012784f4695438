"""The local studio: runs, data and labels in a browser on this machine."""
