"""What a device needs to understand a sentence, as C99: a file a part."""
