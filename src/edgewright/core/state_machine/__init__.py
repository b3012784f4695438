"""Runs state tables: events, guards and transitions, for rules and dialogues."""
