"""The data report: one page that a person reads before trusting a data set."""
