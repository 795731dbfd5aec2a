/** Times as people here read them. The API speaks UTC; Asia/Shanghai only on the screen. */
import { words } from '@/locales/words'

const ZONE = 'Asia/Shanghai'
const full = new Intl.DateTimeFormat('zh-CN', {
  timeZone: ZONE, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hour12: false,
})
const short = new Intl.DateTimeFormat('zh-CN', {
  timeZone: ZONE, month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hour12: false,
})
const clock = new Intl.DateTimeFormat('zh-CN', {
  timeZone: ZONE, hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false,
})
const day = new Intl.DateTimeFormat('en-CA', { timeZone: ZONE })

/** 2026/11/23 10:15 */
export function atFull(iso: string | null | undefined): string {
  return iso ? full.format(new Date(iso)) : ''
}

/** 11/23 10:15 */
export function atShort(iso: string | null | undefined): string {
  return iso ? short.format(new Date(iso)) : ''
}

/** 10:15:07 */
export function atClock(iso: string | null | undefined): string {
  return iso ? clock.format(new Date(iso)) : ''
}

/** The local calendar day, 2026-11-23. */
export function localDay(at: Date): string {
  return day.format(at)
}

/** Seconds as 1:05 or 1:02:05. */
export function length(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const shown = parts[0] ? parts : parts.slice(1)
  return shown.map((part, n) => (n === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}

/** A span in words: 2 天 3 小时, 5 小时 10 分, 8 分钟. */
export function span(ms: number): string {
  const minutes = Math.floor(Math.abs(ms) / 60_000)
  if (minutes >= 1440) return words('common.due.days', { days: Math.floor(minutes / 1440), hours: Math.floor(minutes / 60) % 24 })
  if (minutes >= 60) return words('common.due.hours', { hours: Math.floor(minutes / 60), minutes: minutes % 60 })
  return words('common.due.minutes', { minutes })
}
