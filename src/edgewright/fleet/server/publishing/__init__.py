"""Publishes signed files, removes superseded ones and checks what is published."""
