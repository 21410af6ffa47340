"""The command line, supervision, the monitor and the measurements; starts nodes, never imports them."""
