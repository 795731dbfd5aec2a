"""Listening: recordings as sounds of which any part can be heard, by speaker, muted or marked, without a plain copy."""
