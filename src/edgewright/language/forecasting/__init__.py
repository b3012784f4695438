"""Forecasting on the desk: candidates, rolling backtest, choice, intervals, referees."""
