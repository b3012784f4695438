"""Data that was made: changed copies of recordings, rows of a fitted model, sentences of a grammar, speech."""
