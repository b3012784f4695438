"""Keys of a fleet's roles: files, passphrases, thresholds, and the ceremony that makes them."""
