"""How many devices each bad release reaches, under four plans and four sizes of a fleet."""
