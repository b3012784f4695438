"""Keys of a fleet's roles: files, passphrases, thresholds, and the key ceremony."""
