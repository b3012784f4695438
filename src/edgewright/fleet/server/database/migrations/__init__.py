"""Revisions of the control plane's database, one file each in `versions`."""
