"""From a supernet and a latency table to a network that ships."""
