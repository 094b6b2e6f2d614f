"""The vocabulary: units, ids, commands, events, blocks, rules and errors. Pure."""
