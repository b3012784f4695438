"""The only room that knows the order of stages: configuration, runs, run folders and packages."""
