"""The lexicon in YAML, to be read, edited and copied: concepts, and what speaks of them."""
