"""The draft ticket from what was said: fields with the quoted words; a person decides."""
