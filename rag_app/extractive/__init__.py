"""The default reader: answer with sentences and rows of the chunks, without a language model."""
