/** What a citizen may be called for, by where their ticket is. Source: ticketing/aftercare/contacts.py. */
import type { Schemas } from '@/api/http'

export type Purpose = Schemas['CallWanted']['purpose']
const AFTER_THE_REPLY: readonly string[] = ['replied', 'awaiting_feedback_approval', 'surveying', 'closed']

/** The usual one first. */
export function purposesAt(state: string): readonly Purpose[] {
  return AFTER_THE_REPLY.includes(state) ? ['follow_up', 'explain'] : ['first', 'facts', 'result', 'explain']
}
