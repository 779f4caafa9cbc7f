"""The attribute co-occurrence graph and its node embeddings; no RecBole here."""
