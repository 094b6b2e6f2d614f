"""The API over HTTP: REST and WebSocket with the same bodies, on aiohttp."""
