"""Real things at the other end: servers, links, boards."""
