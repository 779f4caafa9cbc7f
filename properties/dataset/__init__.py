"""The YAML defaults that travel inside the wheel."""
