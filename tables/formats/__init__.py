"""Files that carry a latency table from one store to another."""
