"""Models under RecBole's contract."""
