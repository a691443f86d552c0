"""Who asks, from where, how much: the layers around every route."""
