/** One command on a ticket from a form: sent with the version that was seen; what others did meanwhile is told, and
 * what was typed stays. */
import { computed, shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { ApiProblem } from '@/api/problem'
import { useSending } from '@/parts/sending'
import { useSession } from '@/session'
import type { TicketNow, TicketStory } from '@/tickets/story'

export type Event = Schemas['TicketStory']['events'][number]

export function useCommand(story: () => TicketStory) {
  const { busy, problem, send: ask } = useSending()
  const newest = shallowRef<TicketStory | null>(null)
  const seen = story().version
  const mine = `user:${useSession().me?.login ?? ''}`

  const current = computed(() => (newest.value !== null && newest.value.version > story().version ? newest.value : story()))
  /** What others did to the ticket after the form was opened. */
  const meanwhile = computed<Event[]>(() => current.value.events.filter((one) => one.seq > seen && one.actor !== mine))

  /** Run one command; null when it was refused, with the reason in `problem`. */
  async function send<T = TicketNow>(command: (version: number, path: { ticket_id: string }) => Promise<T>): Promise<T | null> {
    return await ask(() => command(current.value.version, { ticket_id: story().id }).catch(meet))
  }

  /** What is newer is there when the refusal is shown: the next try is sent with it. */
  async function meet(error: unknown): Promise<never> {
    if (error instanceof ApiProblem && error.status === 409) await reread()
    throw error
  }

  /** The live stream may be away: the form reads for itself what is newer. */
  async function reread(): Promise<void> {
    const path = { ticket_id: story().id }
    newest.value = await done(http.GET('/api/tickets/{ticket_id}', { params: { path } })).catch(() => newest.value)
  }

  return { busy, problem, meanwhile, send, current }
}

export type Command = ReturnType<typeof useCommand>
