"""What works on any project: list, compare, search, export, fork, notebook. Nothing outside imports these."""
