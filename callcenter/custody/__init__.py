"""The hub's side of custody: jobs and sweeps about kept recordings, and what the audit says of them."""
