"""Parse intents and slots, and answer questions from documents, on small devices and offline."""

EXAMPLE = 'parse "I want a soda please" --model drinks.language'
