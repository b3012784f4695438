"""A graph made ready for C: what is recognised in it, and the order in which it is worked out."""
