"""Revisions of the control plane's database; `versions` holds one file each."""
