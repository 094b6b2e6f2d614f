"""The Python client of a node, and the CCXT adapter (docs/CLIENTS.md)."""
