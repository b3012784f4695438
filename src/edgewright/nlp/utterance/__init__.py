"""What a device needs to understand a sentence: intents, slots, numbers and dates; with the base install."""
