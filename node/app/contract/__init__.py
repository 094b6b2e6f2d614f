"""The documents of the API, OpenAPI and AsyncAPI, made of the node's own types."""
