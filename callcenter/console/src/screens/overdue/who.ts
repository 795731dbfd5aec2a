/** Who did something, as people say it: `user:name`, `system:part`. */
import { words } from '@/locales/words'

export function byWhom(actor: string | null | undefined): string {
  if (!actor) return ''
  const [kind, name] = [actor.slice(0, actor.indexOf(':')), actor.slice(actor.indexOf(':') + 1)]
  return kind === 'system' ? words('overdue.by_system') : name
}
