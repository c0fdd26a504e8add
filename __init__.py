"""Sartor: profile a device, specialize a pretrained supernet for it, ship it with a proof."""
