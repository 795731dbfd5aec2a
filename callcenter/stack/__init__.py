"""Starts and stops a private Asterisk, PostgreSQL, Valkey and Kannel for the demo and the tests.

Part of the hub; may import `config`. `bootstrap` is the exception: it runs before the virtual environment exists and
uses the standard library only. Production names its own services by URL and needs nothing of this package.
"""
