"""Supernets as data, and as torch modules."""
