"""Costs of networks besides latency: each compiled to an array, so that populations are judged."""
