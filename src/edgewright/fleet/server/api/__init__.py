"""The HTTP API of the control plane: endpoints, authentication, limits and its client."""
