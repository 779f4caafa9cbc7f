"""The benchmark's page, drawn from the files of its folder."""
