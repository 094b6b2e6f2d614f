"""One tape through each rule of order within a block: what it costs whom, measured."""
