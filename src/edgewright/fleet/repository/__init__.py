"""The signed files of a fleet, which devices and web servers read: created and signed in memory, then written."""
