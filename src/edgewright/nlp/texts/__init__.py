"""Models of text, character by character: what follows, and which words complete what somebody types."""
