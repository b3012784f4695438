"""Learning on the device: the last layer of an int8 network, in integers, bounded, watched and reversible.

Base install only. `factory` is what a package holds, `learner` one device's state, `slots` keeps it through power
cuts, `predictor` answers and learns.
"""
