"""Views of other records than a run's: compression, job, proof, simulation and tuning."""
