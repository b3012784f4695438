"""`edgewright serve`: local models behind the chat API of OpenAI, and a page that compares their answers."""
