"""The ports: what the core and the stations ask of the world, as Protocols. Pure."""
