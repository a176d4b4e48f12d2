"""The command line, `ufseg`."""
