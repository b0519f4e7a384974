"""Figures with their n and their interval. A statistic over nothing refuses."""
