"""The application: configuration, wiring, and the command line."""
