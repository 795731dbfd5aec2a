/** What the queues that ship are called; a hotline's own queue is called by its name. */
import { i18n } from '@/locales/words'

export function queueWord(name: string | null | undefined): string {
  if (!name) return ''
  const key = `common.queue.${name}`
  return i18n.global.te(key) ? i18n.global.t(key) : name
}
