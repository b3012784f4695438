"""Learning across a fleet: devices send masked changes of their last layer, of which a server sees sums only."""
