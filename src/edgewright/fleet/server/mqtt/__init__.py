"""Publishes news for devices over MQTT."""
