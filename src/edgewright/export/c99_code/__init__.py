"""The text of generated C: tables, steps, functions, header and source file."""
