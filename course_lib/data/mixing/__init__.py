"""What a run is fed: how much of each source, packed rows, shards on disk, and the loader."""
