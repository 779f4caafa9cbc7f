"""Raw material written in the formats that the sources read."""
