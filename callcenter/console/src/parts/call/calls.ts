/** The calls made to a ticket's citizen through the platform, as they go on; read again while one is under way. */
import { computed, onScopeDispose, shallowRef, watch } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { onLive } from '@/api/live'
import type { ApiProblem } from '@/api/problem'

export type TicketCall = Schemas['TicketCallRow']
export type Budget = Schemas['Budget']

const UNDER_WAY = new Set(['ringing_you', 'ringing_citizen', 'talking'])
/** Events may be lost; a call that is shown as going on is looked at again. */
const LOOK_EVERY_MS = 2_000

export function useTicketCalls(ticket: () => string) {
  const rows = shallowRef<readonly TicketCall[]>([])
  const budget = shallowRef<Budget | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  let newest = 0
  let again: ReturnType<typeof setTimeout> | undefined

  const live = computed(() => rows.value.find((one) => UNDER_WAY.has(one.stage)))
  /** Spoken with, and nobody has written down what was said. */
  const unnoted = computed(() => rows.value.find((one) => one.mine && one.stage === 'reached' && !one.noted))

  async function reload(): Promise<void> {
    const [mine, ticket_id] = [++newest, ticket()]
    clearTimeout(again)
    try {
      const path = { ticket_id }
      const [calls, left] = await Promise.all([
        done(http.GET('/api/tickets/{ticket_id}/calls', { params: { path } })),
        done(http.GET('/api/tickets/{ticket_id}/contact-budget', { params: { path } })),
      ])
      if (mine === newest) [rows.value, budget.value, problem.value] = [calls.rows, left, null]
    } catch (error) {
      if (mine === newest) problem.value = error as ApiProblem
    } finally {
      if (mine === newest && live.value) again = setTimeout(() => void reload(), LOOK_EVERY_MS)
    }
  }

  watch(ticket, () => {
    rows.value = []
    void reload()
  }, { immediate: true })
  onLive(['ticket.call', 'ticket.changed'], (data) => void (data.ticket === ticket() && reload()))
  onLive(['lagged'], () => void reload())
  onScopeDispose(() => {
    newest += 1
    clearTimeout(again)
  })
  return { rows, live, unnoted, budget, problem, reload }
}
