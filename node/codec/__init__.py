"""How commands are signed, journaled and posted: every byte that leaves the process. Pure."""
