"""Jobs: a folder with `job.toml` says which steps solve a whole problem, and one page tells what came of them."""
