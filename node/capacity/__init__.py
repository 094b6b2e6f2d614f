"""What every stage carries, and what it could carry.

Pure: every time is an argument, in nanoseconds.
"""
