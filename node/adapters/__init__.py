"""Implementations of the ports: the only code that touches clocks, disks, sockets and chains."""
