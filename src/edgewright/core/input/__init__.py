"""What people hand over, as samples: rows, recordings, windows, sounds and pictures."""
