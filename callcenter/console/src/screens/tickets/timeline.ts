/** Everything that happened to a ticket as one line of entries, whoever wrote it down. PURE. */
import { words } from '@/locales/words'
import { moment } from '@/parts/now'
import { atFull, length as spoken } from '@/parts/time'
import type { Schemas } from '@/api/http'
import type { TicketStory } from '@/tickets/story'
import type { Dossier } from './dossier'

export const KINDS = ['step', 'work', 'contact', 'call', 'recording', 'sms', 'approval', 'due', 'supervision', 'file'] as const
export type Kind = (typeof KINDS)[number]
export type Tone = 'good' | 'bad' | 'waits' | ''

export interface Fact {
  label: string
  text: string
}

export interface Entry {
  key: string
  at: string
  kind: Kind
  round: number
  title: string
  who: string
  /** What a person wrote: a reason, a message. */
  text: string
  facts: readonly Fact[]
  tone: Tone
  /** The call it belongs to, for who may hear it. */
  call: string | null
  /** Not yet: a limit that runs. */
  ahead: boolean
}

type Part = Partial<Entry> & Pick<Entry, 'key' | 'at' | 'kind' | 'title'>

const WORK = new Set([
  'dispatch', 'add_assist', 'sign', 'start', 'forward_down', 'hand_back', 'deem_signed', 'sign_assist', 'give_opinion', 'report_progress',
  'ask_return', 'grant_return', 'refuse_return', 'open_dispute', 'rule_dispute', 'note_outage',
])
const APPROVAL = new Set(['ask_approval', 'sign_approval', 'decline_approval', 'complete_approval', 'ask_signoff', 'ask_termination', 'terminate'])
const SUPERVISION = new Set(['supervise', 'answer_supervision', 'end_supervision', 'warn', 'urge'])
const BAD = new Set(['reject', 'refuse_return', 'refuse_extension', 'reject_reply', 'decline_approval', 'warn', 'supervise', 'rework', 'note_abuse'])
const GOOD = new Set(['grant_return', 'grant_extension', 'complete_approval', 'close', 'archive', 'end_supervision', 'keep_commitment'])

/** All entries, oldest first. */
export function entriesOf(story: TicketStory, dossier: Dossier): Entry[] {
  const parts = [
    ...story.events.map((one) => event(one, story)),
    ...[...story.earlier_deadlines, ...story.deadlines].flatMap((one, n) => limits(one, n)),
    ...story.messages.map(message),
    ...[...dossier.heard].flatMap(([id, call]) => callParts(id, call)),
    ...dossier.calls.map((one) => citizenCall(one)),
    ...[...dossier.tapes].flatMap(([id, tape]) => recordings(id, tape)),
    ...dossier.meetings.flatMap((one) => meeting(one, story)),
    ...dossier.files.map((one) => attachment(one)),
    ...dossier.packages.map((one) => archived(one)),
  ]
  const made = parts.map((part): Entry => ({ round: 0, who: '', text: '', facts: [], tone: '', call: null, ahead: false, ...part }))
  const sorted = made.map((one, n) => ({ one, n })).sort((a, b) => a.one.at.localeCompare(b.one.at) || a.n - b.n).map(({ one }) => one)
  return withRounds(sorted, story)
}

/** What has no round of its own belongs to the one that ran then. */
function withRounds(entries: Entry[], story: TicketStory): Entry[] {
  const begins = new Map<number, string>()
  for (const one of story.events) if (!begins.has(one.round)) begins.set(one.round, instant(one.at))
  const rounds = [...begins].sort(([a], [b]) => b - a)
  return entries.map((one) => (one.round ? one : { ...one, round: rounds.find(([, at]) => at <= one.at)?.[0] ?? 1 }))
}

/** One spelling, so that moments can be compared as text. */
function instant(at: string): string {
  return new Date(at).toISOString()
}

function fact(key: string, text: string | number | null | undefined): Fact[] {
  return text === null || text === undefined || text === '' ? [] : [{ label: words(`tickets.fact.${key}`), text: String(text) }]
}

/** Who did it: a person or unit by name, the system as such. */
export function nameOf(actor: string, story: TicketStory): string {
  const [kind, name = ''] = actor.split(':', 2)
  if (story.names[actor]) return story.names[actor]
  if (kind === 'user' || kind === 'unit') return name
  return words(kind === 'citizen' ? 'tickets.who.citizen' : kind === 'unit_platform' ? 'tickets.who.upstream' : 'tickets.who.system')
}

function event(one: Schemas['TicketEventRow'], story: TicketStory): Part {
  const kind: Kind = one.event === 'note_contact' ? 'contact' : WORK.has(one.event) ? 'work' : APPROVAL.has(one.event) ? 'approval'
    : SUPERVISION.has(one.event) ? 'supervision' : 'step'
  return {
    key: `event-${one.seq}`, at: instant(one.at), kind, round: one.round, title: one.name, who: nameOf(one.actor, story), text: one.reason,
    facts: [...one.said, ...fact('state', one.state_name)], tone: BAD.has(one.event) ? 'bad' : GOOD.has(one.event) ? 'good' : '',
  }
}

/** How long a limit is, in words; one by the clock is a time of day, kept as its minute. */
export function amountOf(one: Schemas['DeadlineRow']): string {
  const amount = one.clock === 'clock' ? spoken(one.amount) : one.amount
  return words(`tickets.clock.${one.clock}`, { amount })
}

/** A limit is told twice: when it begins, and when it is kept, missed or due. */
function limits(one: Schemas['DeadlineRow'], n: number): Part[] {
  const name = words(`tickets.limit.${one.kind}`)
  const facts = [
    ...fact('amount', amountOf(one)), ...fact('due_at', atFull(one.due_at)), ...fact('basis', one.basis),
    ...fact('policy', one.policy), ...(one.provisional ? fact('provisional', words('common.due.provisional')) : []),
  ]
  const over = one.met_at ?? one.ended_at
  const ahead = over === null && Date.parse(one.due_at) > moment()
  const tone: Tone = one.state === 'met' ? 'good' : one.state === 'late' ? 'bad' : one.state === 'open' ? 'waits' : ''
  const late = one.state === 'late' && over === null ? 'overdue' : one.state
  return [
    { key: `due-${n}-from`, at: instant(one.from_at), kind: 'due', round: one.round, title: words('tickets.due_begins', { name }), facts },
    {
      key: `due-${n}`, at: instant(over ?? one.due_at), kind: 'due', round: one.round, ahead, tone,
      title: words(`tickets.due_ends.${late}`, { name }), facts: [...fact('due_at', atFull(one.due_at)), ...fact('basis', one.basis)],
    },
  ]
}

function message(one: Schemas['MessageRow'], n: number): Part {
  const sent = one.purpose !== 'reply'
  return {
    key: `sms-${n}`, at: instant(one.at), kind: 'sms', title: words(sent ? 'tickets.sms.out' : 'tickets.sms.in', { purpose: words(`tickets.sms.purpose.${one.purpose}`) }),
    text: one.body, tone: ['undelivered', 'rejected', 'unknown', 'suppressed'].includes(one.state) ? 'bad' : one.state === 'delivered' ? 'good' : '',
    facts: [
      ...fact('sms_state', words(`tickets.sms.state.${one.state}`)), ...fact('sent_at', atFull(one.sent_at)), ...fact('final_at', atFull(one.final_at)),
      ...fact('why', one.reason),
    ],
  }
}

type Talk = Schemas['TalkRow']
const SPANS: Readonly<Record<string, string>> = { hold: 'tickets.call.holds', spy: 'tickets.call.spied', phone_hold: 'tickets.call.phone_hold' }
const ALONE = new Set(['hold', 'phone_hold'])

/** A call begins, its legs come and go, and who heard whom: those who were in one bridge at the same time. */
function callParts(id: string, { call, legs, talks }: Schemas['CallStory']): Part[] {
  const names = new Map(legs.map((leg) => [leg.channel, [words(`tickets.party.${leg.party}`), leg.name].filter(Boolean).join(' ')]))
  const bridges = new Map<string, Talk[]>()
  for (const one of talks) bridges.set(one.bridge, [...(bridges.get(one.bridge) ?? []), one])
  const begun: Part = {
    key: `call-${id}`, at: instant(call.started_at), kind: 'call', title: words('tickets.call.begins', { direction: words(`tickets.call.direction.${call.direction}`) }),
    facts: [...fact('caller', call.caller), ...fact('call', id), ...(call.recorded ? [] : fact('recorded', words('tickets.call.unrecorded')))], tone: call.recorded ? '' : 'bad', call: id,
  }
  const ended: Part[] = call.ended_at === null ? [] : [{ key: `call-${id}-end`, at: instant(call.ended_at), kind: 'call', title: words('tickets.call.ends'), call: id }]
  const joined = legs.map((leg): Part => ({
    key: `leg-${leg.channel}`, at: instant(leg.answered_at ?? leg.created_at), kind: 'call', title: words(leg.answered_at ? 'tickets.call.joins' : 'tickets.call.rings', { who: names.get(leg.channel) ?? '' }),
    facts: [...fact('until', atFull(leg.ended_at)), ...(leg.recorded ? [] : fact('recorded', words('tickets.call.leg_unrecorded')))], call: id,
  }))
  const heard = [...bridges].flatMap(([bridge, inside], n) => together(inside).map((span, m): Part => ({
    key: `talk-${id}-${bridge}-${n}-${m}`, at: instant(span.from), kind: 'call', call: id,
    title: words(SPANS[span.kind] ?? 'tickets.call.talk', { who: span.channels.map((one) => names.get(one) ?? '').join('、') }),
    facts: [...fact('until', atFull(span.until)), ...fact('long', span.until === null ? '' : spoken((Date.parse(span.until) - Date.parse(span.from)) / 1_000))],
  })))
  return [begun, ...joined, ...heard, ...ended]
}

interface Together {
  kind: string
  channels: string[]
  from: string
  until: string | null
}

/** Stretches of one bridge in which the same legs were in it; one leg alone hears nobody, except music. */
export function together(talks: readonly Talk[]): Together[] {
  const marks = [...new Set(talks.flatMap((one) => [one.from_at, one.until_at ?? '']).filter(Boolean))].sort()
  const spans: Together[] = marks.map((from, n) => {
    const until = marks[n + 1] ?? null
    const there = talks.filter((one) => one.from_at <= from && (one.until_at === null || one.until_at > from))
    return { kind: there[0]?.kind ?? '', channels: there.map((one) => one.channel), from, until }
  })
  return spans.filter((one) => one.channels.length > 1 || (ALONE.has(one.kind) && one.channels.length > 0))
}

function citizenCall(one: Schemas['TicketCallRow']): Part {
  return {
    key: `outcall-${one.call}`, at: instant(one.asked_at), kind: 'call', title: words('tickets.call.platform', { purpose: one.purpose_name }), who: one.by, call: one.call,
    text: one.over_reason, tone: one.stage === 'reached' ? 'good' : one.stage === 'failed' ? 'bad' : '',
    facts: [...fact('stage', words(`tickets.stage.${one.stage}`)), ...fact('why', one.sentence), ...fact('long', one.talked_s ? spoken(one.talked_s) : '')],
  }
}

function recordings(id: string, tape: Schemas['RecordingList']): Part[] {
  return tape.recordings.map((one): Part => ({
    key: `recording-${one.id}`, at: instant(one.ended_at ?? one.started_at ?? new Date(0).toISOString()), kind: 'recording', call: id,
    title: words('tickets.recording.title', { party: one.kind === 'mix' ? words('tickets.recording.mix') : words(`tickets.party.${one.party}`) }),
    tone: one.playable ? '' : 'bad',
    facts: [
      ...fact('recording_state', words(`tickets.recording.state.${one.state}`)), ...fact('problem', one.problem ? words(`tickets.recording.problem.${one.problem}`) : ''),
      ...fact('custody', one.custody ? words(`tickets.recording.custody.${one.custody}`) : ''), ...fact('long', one.duration_s === null ? '' : spoken(one.duration_s)),
      ...fact('kept_until', one.delete_not_before),
    ],
  })).filter((one) => one.at !== new Date(0).toISOString())
}

function meeting(one: Schemas['NoticeList']['rows'][number], story: TicketStory): Part[] {
  const answers = one.units.filter((unit) => unit.answered_at !== null)
  return [
    { key: `meeting-${one.id}`, at: instant(one.at), kind: 'work', title: one.kind_name, who: nameOf(one.called_by, story), text: one.agenda, ahead: Date.parse(one.at) > moment(), facts: [...fact('place', one.place), ...fact('units', one.units.map((unit) => nameOf(`unit:${unit.unit}`, story)).join('、'))] },
    ...answers.map((unit): Part => ({
      key: `meeting-${one.id}-${unit.unit}`, at: instant(unit.answered_at!), kind: 'work', title: words('tickets.meeting_answer', { kind: one.kind_name }), who: nameOf(`unit:${unit.unit}`, story), text: unit.opinion,
      facts: [...fact('attendees', unit.attendees.join('、')), ...fact('materials', unit.materials.join('、'))],
    })),
  ]
}

function attachment(one: Schemas['AttachmentRow']): Part {
  return {
    key: `file-${one.id}`, at: instant(one.added_at), kind: 'file', round: one.round, title: words('tickets.file_added', { purpose: one.purpose_name }), who: one.added_by,
    text: one.note, facts: fact('file', one.name),
  }
}

function archived(one: Schemas['PackageOut']): Part {
  return {
    key: `package-${one.id}`, at: instant(one.made_at), kind: 'file', round: one.round, title: words('tickets.packaged'), tone: 'good',
    facts: [...fact('number', one.number), ...fact('week', one.week), ...fact('files', one.files), ...fact('sha256', one.sha256)],
  }
}
