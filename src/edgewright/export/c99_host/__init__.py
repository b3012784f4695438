"""Generated C on this machine, compiled and called."""
