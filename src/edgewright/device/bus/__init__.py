"""The local bus of a gateway: rights of an MQTT broker, shadows of devices, and how Home Assistant finds them."""
