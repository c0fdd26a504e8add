"""Training of supernets: data, teacher, warm start, progressive shrinking."""
