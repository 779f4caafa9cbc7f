"""The page of a study: figures, tables and the importance of parameters."""
