"""A run that isn't lost: folder, ranks, signals; fire drills; a web corpus as shards."""
