"""Our API, described by ``/openapi.json``."""
