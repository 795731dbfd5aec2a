"""Tickets (工单) and the rules that govern them: a leaf.

PURE here: clocks, policy, rules, words, record, commands, guards, effects, ticket, facts (and the survey, prefill
and reply modules). Edges: tables, store, records, service and the modules named after them.
Imports no package of ours but `callcenter.types`.
"""
