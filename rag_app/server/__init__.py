"""The server: a page, an API, an OpenAI-compatible API and MCP over collections of documents.

A collection is a folder with its index. :func:`rag_app.server.application.create_server` returns
the ASGI application; ``rag serve`` runs it.
"""
