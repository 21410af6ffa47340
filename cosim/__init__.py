"""What every node knows and no node owns: messages, wire, clock rules, node base, topology, registers."""

VERSION = "0.1.0"  # of the whole project; setup.cfg takes it from here
TICK_HZ = 400_000_000  # ticks are CPU clocks of the SH7780 at 400 MHz
PERIPHERAL_DIVIDER = 12  # peripheral clock Pck = 33.33 MHz
NEVER = 1 << 62  # a tick later than any run
