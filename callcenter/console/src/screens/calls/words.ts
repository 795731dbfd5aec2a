/** Codes of calls as people say them; one nobody has a word for is shown as it is. */
import { i18n } from '@/locales/words'

/** `calls.<group>.<code>` where there is such a text. */
export function callWord(group: string, code: string | null | undefined): string {
  if (!code) return ''
  const key = `calls.${group}.${code}`
  return i18n.global.te(key) ? i18n.global.t(key) : code
}

/** How a call ended, or what goes on. */
export function outcome(one: { state: string; ended_at: string | null; exit_reason: string | null }): string {
  return one.ended_at === null ? callWord('state', one.state) : callWord('exit', one.exit_reason)
}
