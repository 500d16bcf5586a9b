"""One folder a project; each has the same rooms (see ARCHITECTURE.md)."""
