"""What every node knows and no node owns: messages, wire, clock rules, node base, topology, registers."""

TICK_HZ = 400_000_000  # ticks are CPU clocks of the SH7780 at 400 MHz
PERIPHERAL_DIVIDER = 12  # peripheral clock Pck = 33.33 MHz
NEVER = 1 << 62  # a tick later than any run
