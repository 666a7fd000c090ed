"""How much memory a model needs, term by term, before anything is loaded."""
