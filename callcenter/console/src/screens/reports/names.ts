/** Small words of the reports: who, how much, and links that lead somewhere for who follows them. */
import { words } from '@/locales/words'
import type { Schemas } from '@/api/http'
import type { Role } from '@/session'

export type Figure = Schemas['FigureRow']
/** As the ticket page lets people in. */
const TICKET_READERS: readonly Role[] = ['agent', 'dispatcher', 'unit', 'unit_head', 'leader', 'reviewer', 'supervisor', 'auditor']
const DECIMALS = 2

/** `user:name`, `system:part` as people say it. */
export function byWhom(actor: string | null | undefined): string {
  if (!actor) return ''
  const mark = actor.indexOf(':')
  return actor.slice(0, mark) === 'system' ? words('reports.by_system') : actor.slice(mark + 1)
}

/** A rate as the API writes it: 83.84%. */
export function percent(rate: number | null | undefined): string {
  return rate === null || rate === undefined ? '—' : `${(rate * 100).toFixed(DECIMALS)}%`
}

export function points(value: number | null | undefined): string {
  return value === null || value === undefined ? '—' : String(Math.round(value * 100) / 100)
}

export const opensTickets = (has: (...wanted: Role[]) => boolean): boolean => has(...TICKET_READERS)

/** Whether there is nothing to divide by. */
export const isEmpty = (one: Figure): boolean => one.whole === 0

/** What a chart draws: percent of a rate, the count of a count; null where there is nothing to divide by. */
export function drawn(one: Figure): number | null {
  if (one.whole === null) return one.count
  return one.rate === null ? null : Math.round(one.rate * 10_000) / 100
}

/** Bytes as 12 KB or 1.3 MB. */
export function size(bytes: number): string {
  const [kib, mib] = [1024, 1024 * 1024]
  return bytes >= mib ? `${(bytes / mib).toFixed(1)} MB` : `${Math.max(1, Math.round(bytes / kib))} KB`
}
