"""Audio of calls: finished, verified, repaired, accounted for, heard live and written down.

A leaf: knows call ids, channels and parties, no tickets; imports no other package of ours but
`callcenter.types`. Values and rules are in `recording` and `words` (PURE); soundfile is reached only
through `audio`, vosk only through `vosk_door`.
"""
