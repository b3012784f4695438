"""Forecasting on the device: a linear recursion, its intervals, and their file. Base install only."""
