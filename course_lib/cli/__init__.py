"""The ``course`` command: `main` joins its groups of commands, a file each."""
