"""The clocks of orders: who waits for a price, whose time is over, who has gone."""
