"""Personal data and abuse: recognised, checked, and masked or refused."""
