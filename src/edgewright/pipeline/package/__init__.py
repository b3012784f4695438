"""From a graph to a package: forms of the model, their repair, the device's budget, what it may learn, the file."""
