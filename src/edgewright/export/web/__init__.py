"""A model in a browser: generated C99 as WebAssembly, what runs it without a browser, and the app around it."""
