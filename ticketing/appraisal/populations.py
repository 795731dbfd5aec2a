"""The facts of each population as SQL: one row a ticket, a dispatch, a return, a reply, a supervision, a KB item...

Every SELECT has the columns unit (`` for none), ticket_id, key (ascending, unique) and every fact of
`appraisal_words.FIELDS`, none of them NULL. Bound: start, end (what is counted now), term_start, term_end (the term it
belongs to), now, this_term (attribution), objective (cause codes), unit (NULL: all).
"""

# ruff: noqa: S608 - everything put together here is written in this file; values are bound.

from ticketing.appraisal.words import Moment, Population

_IN_TIME = "coalesce(bool_or({kind} AND date_trunc('second', met_at) <= date_trunc('second', due_at)), FALSE)"
_ABUSIVE = "EXISTS (SELECT FROM ticket_event e WHERE e.ticket_id = t.id AND e.kind = 'note_abuse')"
_LAST_STATE = """CASE WHEN t.state = 'archived' THEN
    (SELECT e.from_state FROM ticket_event e WHERE e.ticket_id = t.id AND e.seq = t.version) ELSE t.state END"""
_ABOUT_TICKET = f"""
    t.id AS ticket_id, t.request_type, t.source, t.urgent, t.confidential, t.flags, t.request_no, t.exempt,
    {_LAST_STATE} AS state, {_ABUSIVE} AS abusive"""

_TICKETS = f"""
SELECT coalesce(t.lead_unit, '') AS unit, CAST(t.id AS bigint) AS key, {_ABOUT_TICKET},
       d.limited AS dispatch_limited, d.in_time AS dispatched_in_time, t.round > 1 OR t.dispatched_at IS NOT NULL
       AS dispatched
FROM ticket t
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS limited, {_IN_TIME.format(kind="TRUE")} AS in_time
    FROM ticket_deadline WHERE ticket_id = t.id AND round = 1 AND kind = 'dispatch' AND ended_at IS NULL) d
WHERE t.registered_at >= :start AND t.registered_at < :end
  AND (CAST(:unit AS text) IS NULL OR t.lead_unit = :unit)"""

# Deadlines are of a ticket and a round; a dispatch owns those that ran while it did (a returned ticket has two leads
# in one round, and in a dispatch of two hops one clock runs over both).
_CLOCKS = f"""
    SELECT coalesce(bool_or(kind = 'sign'), FALSE) AS sign_limited,
           {_IN_TIME.format(kind="kind = 'sign'")} AS signed_in_time,
           coalesce(bool_or(kind = 'contact'), FALSE) AS contact_limited,
           {_IN_TIME.format(kind="kind = 'contact'")} AS contacted_in_time,
           (array_agg(due_at ORDER BY id DESC) FILTER (WHERE kind = 'handle'))[1] AS due_at,
           (array_agg(met_at ORDER BY id DESC) FILTER (WHERE kind = 'handle'))[1] AS met_at
    FROM ticket_deadline d
    WHERE d.ticket_id = a.ticket_id AND d.round = a.round
      AND (d.ended_at IS NULL OR d.ended_at > a.dispatched_at) AND (d.met_at IS NULL OR d.met_at >= a.dispatched_at)
      AND (a.ended_at IS NULL OR d.from_at < a.ended_at)"""

_REPLY = """
    SELECT count(*) FILTER (WHERE rejected_at IS NOT NULL)::int AS rejections,
           (array_agg(contents->>'finished' ORDER BY seq DESC))[1] = 'true' AS finished
    FROM ticket_reply p WHERE p.ticket_id = a.ticket_id AND p.round = a.round AND p.unit = a.unit
      AND p.replied_at >= a.dispatched_at"""

_RETURNED = """EXISTS (SELECT FROM ticket_return r WHERE r.ticket_id = a.ticket_id AND r.round = a.round
    AND r.unit = a.unit AND r.state IN ('granted', 'handed_back')
    AND r.asked_at >= a.dispatched_at AND r.decided_at <= a.ended_at)"""

_WORK = f"""
SELECT a.unit, a.id AS key, {_ABOUT_TICKET}, a.round,
       c.sign_limited, c.signed_in_time, c.contact_limited, c.contacted_in_time,
       c.due_at IS NOT NULL AS handle_limited,
       coalesce(date_trunc('second', c.met_at) <= date_trunc('second', c.due_at), FALSE) AS replied_in_time,
       a.replied_at IS NOT NULL AS replied, coalesce(p.finished, FALSE) AS solved,
       a.replied_at IS NOT NULL AND (t.round > a.round OR t.closed_at IS NOT NULL) AS closed,
       t.round > a.round AS reworked,
       now_is.it AND t.explained AS explained,
       now_is.it AND t.cause_code = ANY(CAST(:objective AS text[])) AS objective,
       {_RETURNED} AS returned,
       now_is.it AND t.extensions_granted > 0 AS extended,
       p.rejections,
       coalesce(CASE WHEN now_is.it THEN t.rating ELSE s.rating END, '') AS rating,
       CASE WHEN now_is.it THEN t.service_rating ELSE '' END AS service_rating,
       coalesce(CASE WHEN now_is.it THEN t.rating_source ELSE s.rating_source END, '') AS rating_source,
       coalesce(a.ended_at, CASE WHEN now_is.it THEN t.closed_at END) AS finished_at, c.due_at, c.met_at
FROM ticket_assignment a
JOIN ticket t ON t.id = a.ticket_id
CROSS JOIN LATERAL (
    SELECT t.round = a.round AND (a.ended_at IS NULL OR coalesce(t.closed_at <= a.ended_at, FALSE)) AS it) now_is
CROSS JOIN LATERAL ({_CLOCKS}) c
CROSS JOIN LATERAL ({_REPLY}) p
LEFT JOIN ticket_survey s ON s.ticket_id = a.ticket_id AND s.round = a.round
WHERE a.role = 'lead' AND (CAST(:unit AS text) IS NULL OR a.unit = :unit)"""

_LATE = (
    "(w.due_at IS NOT NULL AND (w.met_at IS NULL OR date_trunc('second', w.met_at) > date_trunc('second', w.due_at)))"
)
_COUNTED_AT = f"""CASE
    WHEN :this_term AND {_LATE} AND w.due_at < :term_start AND w.finished_at >= :term_start THEN NULL
    WHEN :this_term AND {_LATE} AND w.due_at >= :term_start AND w.due_at < :term_end
         AND (w.finished_at IS NULL OR w.finished_at >= :term_end) THEN w.due_at
    ELSE w.finished_at END"""

_WORK_COUNTED = f"""
SELECT * FROM ({_WORK} AND a.id IN (
    SELECT id FROM ticket_assignment WHERE role = 'lead' AND ended_at >= :start AND ended_at < :end
    UNION ALL
    SELECT b.id FROM ticket u JOIN ticket_assignment b ON b.ticket_id = u.id AND b.round = u.round
    WHERE u.closed_at >= :start AND u.closed_at < :end
    UNION ALL
    SELECT b.id FROM ticket_deadline d JOIN ticket_assignment b ON b.ticket_id = d.ticket_id AND b.round = d.round
    WHERE d.kind = 'handle' AND d.due_at >= :start AND d.due_at < :end) OFFSET 0) w
WHERE {_COUNTED_AT} >= :start AND {_COUNTED_AT} < :end"""

_WORK_SENT = f"{_WORK} AND a.dispatched_at >= :start AND a.dispatched_at < :end"

_RETURNS = f"""
SELECT r.unit, r.id AS key, {_ABOUT_TICKET}, r.state AS decision
FROM ticket_return r JOIN ticket t ON t.id = r.ticket_id
WHERE r.asked_at >= :start AND r.asked_at < :end AND (CAST(:unit AS text) IS NULL OR r.unit = :unit)"""

_REPLIES = f"""
SELECT p.unit, p.id AS key, {_ABOUT_TICKET}, p.rejected_at IS NOT NULL AS rejected
FROM ticket_reply p JOIN ticket t ON t.id = p.ticket_id
WHERE p.replied_at >= :start AND p.replied_at < :end AND (CAST(:unit AS text) IS NULL OR p.unit = :unit)"""

_SUPERVISIONS = """
SELECT coalesce(v.unit, '') AS unit, coalesce(v.ticket_id, '') AS ticket_id, v.id AS key, v.automatic, v.trigger,
       v.answered_at IS NOT NULL AND (v.answer_due_at IS NULL OR v.answered_at <= v.answer_due_at) AS answered_in_time
FROM ticket_supervision v
WHERE v.opened_at >= :start AND v.opened_at < :end AND (CAST(:unit AS text) IS NULL OR v.unit = :unit)"""

_KNOWLEDGE = """
SELECT k.unit, '' AS ticket_id, k.id AS key,
       k.valid_until IS NULL OR k.valid_until >= w.today AS valid,
       (k.review_due_on IS NULL OR k.review_due_on >= w.today) AS reviewed_in_time,
       k.uploaded_at >= :term_start AND k.uploaded_at < :term_end AS uploaded_in_term
FROM knowledge_item k
CROSS JOIN (
    SELECT CAST((CAST(:term_end AS timestamptz) - interval '1 second') AT TIME ZONE 'Asia/Shanghai' AS date) AS today) w
WHERE k.live IS NOT NULL AND k.uploaded_at < :end AND (k.uploaded_at >= :start OR :start = :term_start)
  AND (CAST(:unit AS text) IS NULL OR k.unit = :unit)"""

_QUESTIONS = """
SELECT q.unit, coalesce(q.ticket_id, '') AS ticket_id, q.id AS key, q.defect IS NOT NULL AS defect,
       q.answered_at IS NOT NULL OR q.due_at < :now AS due,
       coalesce(date_trunc('second', q.answered_at) <= date_trunc('second', q.due_at), FALSE) AS answered_in_time
FROM knowledge_question q
WHERE q.asked_at >= :start AND q.asked_at < :end AND (CAST(:unit AS text) IS NULL OR q.unit = :unit)"""

SELECTS: dict[tuple[Population, Moment], str] = {
    (Population.TICKETS, Moment.HAPPENED): _TICKETS,
    (Population.WORK, Moment.COUNTED): _WORK_COUNTED,
    (Population.WORK, Moment.HAPPENED): _WORK_SENT,
    (Population.RETURNS, Moment.HAPPENED): _RETURNS,
    (Population.REPLIES, Moment.HAPPENED): _REPLIES,
    (Population.SUPERVISIONS, Moment.HAPPENED): _SUPERVISIONS,
    (Population.KNOWLEDGE, Moment.HAPPENED): _KNOWLEDGE,
    (Population.QUESTIONS, Moment.HAPPENED): _QUESTIONS,
}
