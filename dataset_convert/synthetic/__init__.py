"""How the synthetic accounts and collaborations are drawn."""
