"""Labels by nearest neighbour on a package's features, added on the device without training. Base install only."""
