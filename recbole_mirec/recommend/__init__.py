"""Whom a brand should ask, and why: a fitted model in use."""
