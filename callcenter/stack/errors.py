"""What can go wrong when the private services are set up or started."""


class StackFailed(Exception):
    """A private service did not start or stop; the message names it and shows its last log lines."""


class PartMissing(StackFailed):
    """A program the stack needs is not here; the message says which and how to get it (`make setup`)."""


class StackBusy(StackFailed):
    """Another stack lives in this run folder, or no block of ports is free; stop it with `make stop`."""
