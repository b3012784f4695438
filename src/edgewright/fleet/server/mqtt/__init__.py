"""Publishes wake-ups over MQTT and consumes reports that devices send through a broker."""
