"""Writers of graphs: one for each format that a runtime reads."""
