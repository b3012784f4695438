"""What the studio's pages of data and labels draw and change: opened data, signals, distributions, maps, labels."""
