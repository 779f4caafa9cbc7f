"""Models, protocols and seeds side by side, with honest statistics."""
