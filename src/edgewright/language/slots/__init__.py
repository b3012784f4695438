"""Slots: a tagger trained by CRFsuite, cut down to what a device holds."""
