"""Extractors: from posts and biographies to what the atomic files hold; one module each."""
