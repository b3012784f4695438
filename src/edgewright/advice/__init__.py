"""Advice in five steps: frame, constraints, a solution without ML, the simplest model, more only if it pays."""
