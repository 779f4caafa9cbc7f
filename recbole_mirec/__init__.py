"""Micro-influencer recommendation as a plug-in for RecBole."""
