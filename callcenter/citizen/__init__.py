"""What citizens open in a browser without signing in: a request, its progress, a rating; and Open311 beside it.

Plain HTML from the server, no script. May import the rest of the hub but `web`'s endpoints of staff.
"""
