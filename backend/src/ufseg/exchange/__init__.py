"""Models, cases and label maps in the formats of other programs."""
