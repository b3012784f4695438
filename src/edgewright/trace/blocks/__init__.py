"""The block tree of a record, and its forms: terminal, Markdown and charts."""
