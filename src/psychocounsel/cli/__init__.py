"""The command line: one file a command, bodies of about ten lines."""
