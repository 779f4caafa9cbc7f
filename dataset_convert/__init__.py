"""Conversion of brand-micro-influencer material to RecBole atomic files."""
