"""Use cases above the pipeline: each folder is one command or a family of commands."""
