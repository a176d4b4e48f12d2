"""How datasets are published: one file a layout, each with what tells it apart and what it holds."""
