"""Lists in a browser and as a JSON API, for a team: bundles, briefs, uploads, decisions."""
