"""The publisher: durable blocks become results, feeds and views."""
