"""Understands text with the base install: utterances, dialogues and answers from documents."""
