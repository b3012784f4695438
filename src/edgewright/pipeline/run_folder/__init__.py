"""What a run leaves: cards, folder, journal, kept trainings and provenance, and who hears of it."""
