"""The one pure transition: ``apply(state, command) -> events``."""
