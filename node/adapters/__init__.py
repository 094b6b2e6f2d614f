"""What implements the ports of a running node: its clocks, disks, sockets and chains."""
