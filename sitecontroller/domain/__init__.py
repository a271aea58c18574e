"""The site's vocabulary and rules: pure values and functions, standard library only."""
