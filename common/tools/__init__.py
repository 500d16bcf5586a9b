"""Tools that work on any project: list, compare, search, export, fork, notebook. No other part imports them."""
