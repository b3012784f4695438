"""Estimates of devices: fitted on programs that were compiled and counted, judged on others."""
