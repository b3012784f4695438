"""Let devices learn the last layer of their package together while their data stay on them."""

EXAMPLE = "start runs/watch --fleet my-fleet --rounds 20"
