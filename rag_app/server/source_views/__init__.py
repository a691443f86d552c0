"""A cited span in its source, as cells, lines or pages with the quote marked."""
