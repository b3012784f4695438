"""Sentences and figures that rules compute from a record: facts, insight, observations, opening and verdict."""
