"""Tickets by words: an index of Chinese word pairs beside the tickets."""
