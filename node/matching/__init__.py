"""Matching: an order book with price-time priority. It proposes fills; a judge settles them."""
