"""Our speed beside what a user would pick instead, measured in one run. Not part of the tests."""
