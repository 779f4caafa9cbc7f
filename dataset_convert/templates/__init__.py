"""The page that a conversion writes."""
