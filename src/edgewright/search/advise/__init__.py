"""The five steps on a person's data: frame, constraints, what exists, a simple model, complexity as needed."""
