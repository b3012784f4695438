"""Endpoints: each module defines a group as `ENDPOINTS`; modules with a leading underscore are skipped."""
