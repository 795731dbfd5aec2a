/** How keys, targets and queues of a menu are said. */
import { words } from '@/locales/words'
import type { Schemas } from '@/api/http'
import { queueWord } from '@/parts/queue'

const KNOWN_REASONS = new Set(['TIMEOUT', 'FULL', 'JOINEMPTY', 'LEAVEEMPTY', 'JOINUNAVAIL', 'LEAVEUNAVAIL', 'CONTINUE'])

/** Where queues are set up, the name in the configuration stands beside the word. */
export function queueName(name: string): string {
  const said = queueWord(name)
  return said === name ? name : words('admin.menu.queue_named', { said, name })
}

export function keyName(key: string): string {
  return key === 'timeout' ? words('admin.menu.silence') : key === 'hangup' ? words('admin.menu.hang_up') : key
}

export function reasonName(reason: string): string {
  return KNOWN_REASONS.has(reason) ? words(`admin.menu.reason.${reason}`) : reason
}

/** `0-6、不按键`: digits that follow each other are drawn together. */
export function keysName(keys: readonly string[]): string {
  const digits = keys.filter((key) => /^\d$/.test(key)).map(Number).sort((a, b) => a - b)
  const runs: [number, number][] = []
  for (const digit of digits) {
    const last = runs[runs.length - 1]
    if (last !== undefined && last[1] === digit - 1) last[1] = digit
    else runs.push([digit, digit])
  }
  const said = runs.map(([a, b]) => (a === b ? String(a) : b === a + 1 ? `${a}、${b}` : `${a}–${b}`))
  return [...said, ...keys.filter((key) => !/^\d$/.test(key)).map(keyName)].join('、')
}

/** Where a key leads, in words. */
export function targetName(target: Schemas['MenuTarget']): string {
  const { kind, name = '', priority = 0 } = target
  if (kind === 'queue') {
    const more = [target.request_type, priority > 0 ? words('admin.menu.priority', { priority }) : ''].filter(Boolean)
    return words('admin.menu.to.queue', { queue: queueName(name) }) + (more.length ? words('admin.menu.more', { more: more.join('，') }) : '')
  }
  if (kind === 'step') return words('admin.menu.to.step', { step: name })
  if (kind === 'callback') return words('admin.menu.to.callback')
  if (kind === 'message') return words('admin.menu.to.message', { text: target.text })
  return words(`admin.menu.to.${kind}`)
}
