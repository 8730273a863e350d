"""What comes of it: grades, feedback pages, statistics, files for learning platforms."""
