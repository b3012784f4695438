"""Dialogues as state tables: checked against the intents and slots of a model, and drawn."""
