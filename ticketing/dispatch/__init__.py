"""To whom a ticket goes and how it comes back: units, catalogue, two hops, assists, returns, disputes, extensions."""
