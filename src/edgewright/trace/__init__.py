"""The record of a run, told in the terminal."""
