"""Take text apart: its language, its sentences and table rows, its terms."""
