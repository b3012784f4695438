"""One file a command; the file name is the command's name, and it offers `command`."""
