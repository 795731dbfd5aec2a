/** The work calendar on the screen: what each day of a year is, and what a click makes of it. */
import type { Schemas } from '@/api/http'

export type Kind = Schemas['DayKind']
export type Shown = Schemas['NoticeShown']
export type Draft = Pick<Shown, 'name' | 'kind' | 'year' | 'title' | 'source' | 'years'> & {
  holidays: Record<string, string>
  makeup_workdays: Record<string, string>
}

export interface Day {
  date: string
  /** Day of the month, from 1. */
  day: number
  kind: Kind
  /** Of the feast, or ``. */
  name: string
}

const two = (n: number): string => String(n).padStart(2, '0')
const weekday = (date: string): number => new Date(`${date}T00:00:00Z`).getUTCDay()
export const isWeekend = (date: string): boolean => [0, 6].includes(weekday(date))

/** Every date of a month, and how many empty cells stand before its first: weeks begin on Monday. */
export function datesOf(year: number, month: number): { dates: string[]; before: number } {
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate()
  const dates = Array.from({ length }, (_, n) => `${year}-${two(month)}-${two(n + 1)}`)
  return { dates, before: (weekday(dates[0] as string) + 6) % 7 }
}

export function addDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10)
}

/** What notices make of a date; a later one goes before an earlier one. */
export function kindOf(date: string, notices: readonly Pick<Draft, 'holidays' | 'makeup_workdays'>[]): Omit<Day, 'date' | 'day'> {
  let [kind, name]: [Kind, string] = [isWeekend(date) ? 'rest' : 'workday', '']
  for (const one of notices) {
    if (one.holidays[date] !== undefined) [kind, name] = ['holiday', one.holidays[date]]
    else if (one.makeup_workdays[date] !== undefined) [kind, name] = ['makeup_workday', one.makeup_workdays[date]]
  }
  return { kind, name }
}

/** The draft after a click on a date: a weekday is worked or off; a weekend is off, a holiday or worked in exchange. */
export function clicked(draft: Draft, date: string, feast: string): Draft {
  const holidays = { ...draft.holidays }
  const makeup = { ...draft.makeup_workdays }
  if (date in makeup) delete makeup[date]
  else if (date in holidays) {
    delete holidays[date]
    if (isWeekend(date)) makeup[date] = feast
  } else holidays[date] = feast
  const years = draft.kind === 'overlay' ? [...new Set([...draft.years, Number(date.slice(0, 4))])].sort() : draft.years
  return { ...draft, years, holidays, makeup_workdays: makeup }
}

/** A draft from what is in force; a year nobody told of begins empty. */
export function draftOf(shown: Shown | undefined, year: number): Draft {
  if (shown === undefined) return { name: `cn-${year}`, kind: 'year', year, title: String(year), source: '', years: [year], holidays: {}, makeup_workdays: {} }
  const { name, kind, title, years, holidays, makeup_workdays } = shown
  return { name, kind, year: shown.year, title, source: shown.provisional ? '' : shown.source, years, holidays, makeup_workdays }
}

/** A file as somebody brings it: the form of the API. Throws Error when it is not one. */
export function parsed(text: string): Draft & { reason: string } {
  const told: unknown = JSON.parse(text)
  if (typeof told !== 'object' || told === null) throw new Error('no object')
  const one = told as Record<string, unknown>
  const kind = one.kind
  if (kind !== 'year' && kind !== 'overlay') throw new Error('kind')
  const year = typeof one.year === 'number' ? one.year : null
  if (kind === 'year' && year === null) throw new Error('year')
  const name = kind === 'year' ? `cn-${year}` : text_(one.name)
  if (!name) throw new Error('name')
  return {
    name, kind, year, title: text_(one.title) || String(year ?? name), source: text_(one.source), reason: text_(one.reason),
    years: Array.isArray(one.years) ? one.years.filter((y): y is number => typeof y === 'number') : year === null ? [] : [year],
    holidays: daysOf(one.holidays), makeup_workdays: daysOf(one.makeup_workdays),
  }
}

const text_ = (value: unknown): string => (typeof value === 'string' ? value : '')

function daysOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {}
  const found = Object.entries(value).filter(([day, name]) => /^\d{4}-\d\d-\d\d$/.test(day) && typeof name === 'string')
  return Object.fromEntries(found) as Record<string, string>
}
