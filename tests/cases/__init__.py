"""One file a group of families; each yields structured matrices beside their dense definition."""
