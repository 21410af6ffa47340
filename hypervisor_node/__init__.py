"""SPUMONE, the light CPU virtualization layer, as a node: the model and what its paths cost."""
