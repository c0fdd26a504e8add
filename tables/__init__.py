"""Floor 1: operators, graphs of them, measurements and latency tables; knows no device."""
