"""The search spaces that travel inside the wheel."""
