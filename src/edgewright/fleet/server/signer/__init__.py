"""The signer: a separate process with the online keys."""
