"""What a plan and its standing mean: who belongs, where a device's place is, when it may activate, what gates say."""
