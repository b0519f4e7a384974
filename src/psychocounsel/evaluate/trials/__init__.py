"""Judges on trial: their figures against people's labels, with people's own ceiling and trivial baselines beside."""
