"""What a device keeps and what of it may leave: events, raw rows and an outbox that survive power cuts."""
