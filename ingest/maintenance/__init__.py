"""Check, repair, back up, roll back and convert an index."""
