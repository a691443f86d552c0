"""Keep an index in step with a folder or a document loader."""
