"""List, rotate and revoke the keys that a fleet's devices trust, and sign with them."""

EXAMPLE = "list --fleet my-fleet"
