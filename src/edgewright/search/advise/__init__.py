"""The adviser in five steps: frame, constraints, existing solutions, a simple model, complexity where needed."""
