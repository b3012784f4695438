"""Files as people write them, each with what is true of it, and a judge of what `init --yes` reads."""
