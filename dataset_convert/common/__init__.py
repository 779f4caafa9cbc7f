"""What both packages need and is no subject of ours; imports nothing of ours."""
