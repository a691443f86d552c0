"""The protocols of others: the OpenAI API and MCP."""
