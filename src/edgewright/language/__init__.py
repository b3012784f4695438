"""Language on the desk: encoders, intents, slots, dialogues, documents, labelling; the device's part is `runtime`."""
