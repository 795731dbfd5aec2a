"""The knowledge base: items with owners and versions, questions to units, defects, search, what agents used."""
