"""HTTP between devices and the control plane: signed requests, downloads that resume, limits on all received data."""
