"""Hyper-parameter tuning of any model: fairly, resumably, in parallel."""
