"""Exact ranks, metrics, their paper rules, and statistics of comparisons; no RecBole here."""
