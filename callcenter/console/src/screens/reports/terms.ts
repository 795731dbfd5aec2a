/** Terms of appraisal as the API names them: 2026, 2026-Q3, 2026-10, 2026-W41, 2026-10-05, 2026-10-05..2026-10-12. */
import { words } from '@/locales/words'
import { nextDay } from '@/parts/DayRange.vue'
import { thisDay } from '@/parts/now'

export type Kind = 'week' | 'month' | 'quarter' | 'year' | 'day' | 'span'
export const KINDS: readonly Kind[] = ['week', 'month', 'quarter', 'year', 'day', 'span']
const WEEK = 7
const MONTHS = 12
const DAY_MS = 86_400_000
/** The longest span the API takes. */
const MOST_DAYS = 366

/** Local days from `first` to `last`, both included. */
export interface Term {
  kind: Kind
  first: string
  last: string
}

const at = (day: string): Date => new Date(`${day}T12:00:00Z`)
const dayOf = (year: number, month: number, day: number): string => new Date(Date.UTC(year, month - 1, day, 12)).toISOString().slice(0, 10)
const parts = (day: string): [number, number, number] => day.split('-').map(Number) as [number, number, number]
const two = (number: number): string => String(number).padStart(2, '0')

/** ISO 8601: a week belongs to the year of its Thursday. */
function weekOf(monday: string): { year: number; week: number } {
  const thursday = nextDay(monday, 3)
  const [year] = parts(thursday)
  const days = (at(thursday).getTime() - at(dayOf(year, 1, 1)).getTime()) / DAY_MS
  return { year, week: Math.floor(days / WEEK) + 1 }
}

/** The term of that length that holds a day. A span holds its day alone. */
export function termOf(day: string, kind: Kind): Term {
  const [year, month] = parts(day)
  if (kind === 'week') {
    const monday = nextDay(day, -((at(day).getUTCDay() + WEEK - 1) % WEEK))
    return { kind, first: monday, last: nextDay(monday, WEEK - 1) }
  }
  if (kind === 'month') return { kind, first: dayOf(year, month, 1), last: dayOf(year, month + 1, 0) }
  if (kind === 'quarter') {
    const begins = 3 * Math.floor((month - 1) / 3) + 1
    return { kind, first: dayOf(year, begins, 1), last: dayOf(year, begins + 3, 0) }
  }
  if (kind === 'year') return { kind, first: dayOf(year, 1, 1), last: dayOf(year, MONTHS, 31) }
  return { kind, first: day, last: day }
}

/** The term of that name; null when it is none. */
export function parseTerm(name: string): Term | null {
  const span = /^(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})$/.exec(name)
  if (span) return spanOf(span[1] ?? '', span[2] ?? '')
  const week = /^(\d{4})-W(\d{2})$/.exec(name)
  if (week) return termOf(nextDay(dayOf(Number(week[1]), 1, 4), (Number(week[2]) - 1) * WEEK), 'week')
  const quarter = /^(\d{4})-Q([1-4])$/.exec(name)
  if (quarter) return termOf(dayOf(Number(quarter[1]), 3 * Number(quarter[2]), 1), 'quarter')
  if (/^\d{4}$/.test(name)) return termOf(`${name}-01-01`, 'year')
  if (/^\d{4}-(0[1-9]|1[0-2])$/.test(name)) return termOf(`${name}-01`, 'month')
  return /^\d{4}-\d{2}-\d{2}$/.test(name) && !Number.isNaN(at(name).getTime()) ? termOf(name, 'day') : null
}

/** Days from one to another, as far as the API takes them. */
export function spanOf(first: string, last: string): Term | null {
  const days = (at(last).getTime() - at(first).getTime()) / DAY_MS + 1
  return days >= 1 && days <= MOST_DAYS ? { kind: 'span', first, last } : null
}

export function nameOf(term: Term): string {
  const [year, month] = parts(term.first)
  if (term.kind === 'week') {
    const found = weekOf(term.first)
    return `${found.year}-W${two(found.week)}`
  }
  if (term.kind === 'month') return term.first.slice(0, 7)
  if (term.kind === 'quarter') return `${year}-Q${Math.ceil(month / 3)}`
  if (term.kind === 'year') return String(year)
  return term.kind === 'day' ? term.first : `${term.first}..${term.last}`
}

/** As people read it. */
export function labelOf(term: Term): string {
  const [year, month, day] = parts(term.first)
  const [, lastMonth, lastDay] = parts(term.last)
  const named = { year, month, day, lastMonth, lastDay, quarter: Math.ceil(month / 3), week: 0, first: term.first, last: term.last }
  if (term.kind === 'week') Object.assign(named, weekOf(term.first))
  return words(`reports.term.label.${term.kind}`, named)
}

/** The label of a name; a name nobody knows is shown as it is. */
export function labelOfName(name: string): string {
  const term = parseTerm(name)
  return term === null ? name : labelOf(term)
}

export function before(term: Term): Term {
  if (term.kind !== 'span') return termOf(nextDay(term.first, -1), term.kind)
  const days = (at(term.last).getTime() - at(term.first).getTime()) / DAY_MS + 1
  return { kind: 'span', first: nextDay(term.first, -days), last: nextDay(term.first, -1) }
}

export function after(term: Term): Term {
  if (term.kind !== 'span') return termOf(nextDay(term.last), term.kind)
  const days = (at(term.last).getTime() - at(term.first).getTime()) / DAY_MS + 1
  return { kind: 'span', first: nextDay(term.last), last: nextDay(term.last, days) }
}

export const today = thisDay

/** The term that runs now. */
export function current(kind: Kind): Term {
  return termOf(today(), kind)
}
