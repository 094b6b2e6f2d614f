"""Exact integer rules of isolated margin. Pure: they read numbers and return numbers."""
