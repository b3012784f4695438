"""Activities of people a network has never seen: cross-validation over 16 people, then one look at five others."""
