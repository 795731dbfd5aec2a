"""Figures, scores and reports: metrics with their denominators and exclusions, terms, bulletins."""
