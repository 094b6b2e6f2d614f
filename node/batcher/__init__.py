"""The batcher: durable blocks are gathered into batches, which are closed at a limit."""
