"""Tapes: recorded or written order flow, read from files and played into a book."""
