"""The most accurate network within a latency budget."""
