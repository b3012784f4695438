"""A pipeline from a person's own file: what is in it, what each column is, windows, a model, each with its reason."""
