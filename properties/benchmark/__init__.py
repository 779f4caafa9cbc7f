"""The benchmark plans that travel inside the wheel."""
