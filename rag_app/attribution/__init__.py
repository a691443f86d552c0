"""Tie what an answer says to exact quotes, and say what has none."""
