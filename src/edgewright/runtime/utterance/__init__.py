"""What a device needs to understand a typed or recognised sentence: intents, slots, numbers, dates; the base install."""
