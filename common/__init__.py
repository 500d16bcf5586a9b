"""Shared parts of the suite. This package knows no project by name."""
