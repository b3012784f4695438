"""Models of the user: kinds, registration and removal."""
