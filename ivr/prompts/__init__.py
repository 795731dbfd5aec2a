"""Makes the spoken prompts: text -> pinyin -> espeak-ng -> 8 kHz wav, or a recorded file where there is one.

`python -m ivr.prompts --texts FILE --out DIR`. `reading` is the door to pypinyin, `voice` the one to espeak-ng,
`maker` keeps a folder of prompts up to date. Recordings of a person go into `recorded/<language>/`.
"""
