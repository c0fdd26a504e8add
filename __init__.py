"""Sartor: profile a device, specialize a pretrained supernet for it, ship the network with a proof."""
