"""The bundled flow: what each client sends and when, drawn beforehand from one seed."""
