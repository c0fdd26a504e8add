"""Search methods from the literature behind one interface, for comparison and for use."""
