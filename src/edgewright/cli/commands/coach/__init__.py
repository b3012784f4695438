"""Teach pronunciation: train a small int8 network that hears phones, and read sentences to it."""

EXAMPLE = 'listen english.coach "we call it bear" --wav bear.wav'
