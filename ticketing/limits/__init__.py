"""Which limit counts, what the public calculator answers, and what an imported notice changes."""
