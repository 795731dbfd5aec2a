/** Who was on a call when, and who heard whom: legs and stays as bars on one line of time. PURE. */
import type { Schemas } from '@/api/http'

export type CallStory = Schemas['CallStory']
type Leg = CallStory['legs'][number]

export interface Bar {
  /** Percent of the call's length. */
  left: number
  width: number
  kind: string
  from: string
  until: string | null
  /** The others in the same bridge at some time of this stay: parties. */
  heard: string[]
}

export interface Line {
  leg: Leg
  /** From the first ring to hanging up, and from the answer on. */
  ringing: Bar | null
  up: Bar
  talks: Bar[]
}

const MARKS = 6

/** Every leg with its stays; `now` ends what goes on. */
export function linesOf(story: CallStory, now: number): Line[] {
  const start = Date.parse(story.call.started_at)
  const end = Math.max(story.call.ended_at ? Date.parse(story.call.ended_at) : now, start + 1000)
  const place = (from: string, until: string | null): { left: number; width: number } => {
    const [a, b] = [Date.parse(from), until ? Date.parse(until) : end].map((at) => Math.min(Math.max(at, start), end))
    return { left: ((a! - start) / (end - start)) * 100, width: Math.max(((b! - a!) / (end - start)) * 100, 0.4) }
  }
  return story.legs.map((leg) => {
    const talks = story.talks.filter((one) => one.channel === leg.channel)
    const begun = leg.answered_at ?? leg.created_at
    const rang = leg.answered_at !== null || leg.ended_at !== null
    return {
      leg,
      ringing: rang ? { ...place(leg.created_at, leg.answered_at ?? leg.ended_at), kind: 'ringing', from: leg.created_at, until: leg.answered_at, heard: [] } : null,
      up: { ...place(begun, leg.ended_at), kind: leg.answered_at ? 'up' : 'ringing', from: begun, until: leg.ended_at, heard: [] },
      talks: talks.map((one) => ({ ...place(one.from_at, one.until_at), kind: one.kind, from: one.from_at, until: one.until_at, heard: heardBy(story, one) })),
    }
  })
}

type Talk = CallStory['talks'][number]

/** Parties that shared the bridge with this stay; on hold nobody hears anybody. */
function heardBy(story: CallStory, own: Talk): string[] {
  if (own.kind === 'hold') return []
  const others = story.talks.filter((one) => one.bridge === own.bridge && one.channel !== own.channel && overlaps(one, own))
  return [...new Set(others.map((one) => one.party))]
}

function overlaps(a: Talk, b: Talk): boolean {
  const end = (one: Talk): number => (one.until_at ? Date.parse(one.until_at) : Infinity)
  return Date.parse(a.from_at) < end(b) && Date.parse(b.from_at) < end(a)
}

/** Moments of the axis: offset in percent and seconds from the call's begin. */
export function marksOf(story: CallStory, now: number): { left: number; seconds: number }[] {
  const start = Date.parse(story.call.started_at)
  const total = Math.max(story.call.ended_at ? Date.parse(story.call.ended_at) : now, start + 1000) - start
  return Array.from({ length: MARKS }, (_, n) => ({ left: (n / (MARKS - 1)) * 100, seconds: (total / 1000) * (n / (MARKS - 1)) }))
}
