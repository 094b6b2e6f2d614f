"""The history: durable blocks become groups of rows in SQL, each with its progress."""
