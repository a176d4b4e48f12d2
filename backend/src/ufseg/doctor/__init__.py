"""Whether this computer, this installation and a workspace are fit for work, in sentences."""
