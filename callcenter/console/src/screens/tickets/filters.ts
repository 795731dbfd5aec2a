/** What a list of tickets is filtered by, as it stands in the address of the page and as the API is asked. */
import type { LocationQuery } from 'vue-router'
import { localDay } from '@/parts/time'

export interface Filters {
  text: string
  state: string
  running: '' | 'true' | 'false'
  unit: string
  type: string
  subject: string
  rating: string
  urgent: '' | 'true' | 'false'
  overdue: boolean
  due_before: string
  /** Local days, both included; empty: open. */
  created: [string, string]
  registered: [string, string]
  closed: [string, string]
  identity: string
  call: string
  sort: 'newest' | 'due' | 'updated'
}

type Plain = Exclude<keyof Filters, 'overdue' | Span>
type Span = 'created' | 'registered' | 'closed'
const SPANS: readonly Span[] = ['created', 'registered', 'closed']
const PLAIN: readonly Plain[] = ['text', 'state', 'running', 'unit', 'type', 'subject', 'rating', 'urgent', 'due_before', 'identity', 'call', 'sort']
/** What may name or describe a person; a saved view holds none of it. */
const PERSONAL = new Set(['text', 'identity', 'call', 'subject'])
const DAY_MS = 86_400_000

export function none(): Filters {
  return {
    text: '', state: '', running: '', unit: '', type: '', subject: '', rating: '', urgent: '', overdue: false,
    due_before: '', created: ['', ''], registered: ['', ''], closed: ['', ''], identity: '', call: '', sort: 'newest',
  }
}

/** As the address of the page says. */
export function fromAddress(query: LocationQuery): Filters {
  const filters = none()
  const said = (key: string): string => (typeof query[key] === 'string' ? query[key] : '')
  for (const key of PLAIN) if (said(key)) (filters[key] as string) = said(key)
  filters.overdue = said('overdue') === 'true'
  for (const key of SPANS) {
    const [from = '', until = ''] = said(key).split('..')
    filters[key] = [from, until]
  }
  return filters
}

/** For the address of the page; empty ones left out. */
export function toAddress(filters: Filters): Record<string, string> {
  const query: Record<string, string> = {}
  for (const key of PLAIN) if (filters[key] && filters[key] !== none()[key]) query[key] = filters[key]
  if (filters.overdue) query.overdue = 'true'
  for (const key of SPANS) if (filters[key].some(Boolean)) query[key] = filters[key].join('..')
  return query
}

/** The same without what is about a person, to be kept under a name. */
export function impersonal(query: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).filter(([key]) => !PERSONAL.has(key)))
}

/** As the API is asked. A day begins at midnight in Shanghai; the last day is included. */
export function toQuestion(filters: Filters): Record<string, string> {
  const asked: Record<string, string> = {}
  for (const key of PLAIN) if (filters[key] && key !== 'due_before') asked[key] = filters[key]
  if (filters.overdue) asked.overdue = 'true'
  if (filters.due_before) asked.due_before = midnight(filters.due_before, 1)
  for (const key of SPANS) {
    const [from, until] = filters[key]
    if (from) asked[`${key}_since`] = midnight(from, 0)
    if (until) asked[`${key}_until`] = midnight(until, 1)
  }
  return asked
}

function midnight(day: string, later: number): string {
  const moved = localDay(new Date(Date.parse(`${day}T00:00:00+08:00`) + later * DAY_MS))
  return `${moved}T00:00:00+08:00`
}
