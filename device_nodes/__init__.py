"""The devices of the SH-2007 board, one file each."""
