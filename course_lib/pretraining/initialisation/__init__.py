"""Where weights begin, and how that depends on the width."""
