"""The API: a small typed router over aiohttp, OpenAPI 3.1 from the same signatures, sign-in, live stream.

One module per subject holds its endpoints; `server` puts them together. Everything a person reads is Chinese.
"""
