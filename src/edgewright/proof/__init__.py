"""The same rows through every form of a pipeline, to the first stage that differs."""
