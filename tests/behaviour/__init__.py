"""Promises to people on bad networks, one file each. A package, so that its fixtures end with its last test."""
