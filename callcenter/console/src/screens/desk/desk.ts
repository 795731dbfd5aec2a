/** The agent's desk: their own state, the call that rings or runs, their drafts. Events show at once, tables correct. */
import { computed, nextTick, onScopeDispose, ref, shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { onLive, type LiveData } from '@/api/live'
import type { ApiProblem } from '@/api/problem'
import { useSession } from '@/session'

export type DeskNow = Schemas['DeskNow']
export type DeskCall = Schemas['DeskCall']
export type AgentState = Schemas['AgentState']

/** desired: paused or logged_out. */
export interface Order {
  desired: string
  by: string
  reason: string
  at: string
}

const SOON_MS = 150

export function useDesk() {
  const session = useSession()
  const extension = computed(() => session.me?.extension ?? '')
  const agent = shallowRef<AgentState | null>(null)
  const call = shallowRef<DeskCall | null>(null)
  const drafts = shallowRef<DeskNow['drafts']>([])
  const pauses = shallowRef<readonly string[]>([])
  const problem = shallowRef<ApiProblem | null>(null)
  const loaded = ref(false)
  /** What a supervisor did to this agent, until they have read it. */
  const order = shallowRef<Order | null>(null)
  /** Key of what is to be said aloud: a ring, a ring that was missed. */
  const spoken = ref('')
  let newest = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  async function reload(): Promise<void> {
    const mine = ++newest
    try {
      const found = await done(http.GET('/api/desk'))
      if (mine !== newest) return
      agent.value = found.agent
      call.value = found.call
      drafts.value = found.drafts
      pauses.value = found.pauses
      problem.value = null
      loaded.value = true
    } catch (error) {
      if (mine === newest) problem.value = error as ApiProblem
    }
  }

  function soon(): void {
    // An answer that is on its way was written before what has just happened.
    newest += 1
    clearTimeout(timer)
    timer = setTimeout(() => void reload(), SOON_MS)
  }
  onScopeDispose(() => clearTimeout(timer))

  function patch(change: Partial<DeskCall>): void {
    if (call.value !== null) call.value = { ...call.value, ...change }
    soon()
  }

  const ours = (data: LiveData): boolean => call.value !== null && data.call === call.value.id

  onLive(['call.ringing'], (data) => {
    if (data.agent !== extension.value || !extension.value) return
    call.value = cardOf(data)
    spoken.value = 'ringing'
    soon()
    void nextTick(() => performance.mark('desk.card'))
  })
  onLive(['call.answered'], (data) => {
    if (data.agent !== extension.value) return
    if (!ours(data)) return soon()
    spoken.value = 'answered'
    patch({ state: 'talking', answered_at: String(data.at), ticket: String(data.ticket ?? '') || null })
  })
  onLive(['call.situation'], (data) => void (ours(data) && patch({ state: String(data.after) })))
  onLive(['call.joined'], (data) => void (ours(data) && data.party === 'unit' && patch({ unit_answered: true })))
  onLive(['call.left'], (data) => void (ours(data) && patch(data.party === 'unit' ? { unit: '', unit_name: '', unit_answered: false } : {})))
  onLive(['call.not_recorded'], (data) => void (ours(data) && patch({ recorded: false })))
  onLive(['call.ended'], (data) => void (ours(data) && patch({ state: 'ended', ended_at: String(data.at) })))
  onLive(['agent.missed_ring'], (data) => {
    if (data.agent !== extension.value) return
    call.value = null
    spoken.value = 'missed'
    soon()
  })
  onLive(['agent.observed'], (data) => {
    if (data.agent !== extension.value || agent.value === null) return
    agent.value = { ...agent.value, observed: String(data.observed) }
    if (data.desired !== agent.value.desired) soon()
  })
  onLive(['agent.ordered'], (data) => {
    if (data.agent !== extension.value || !extension.value) return
    order.value = { desired: String(data.desired), by: String(data.by), reason: String(data.reason), at: String(data.at) }
    soon()
  })
  onLive(['lagged'], soon)
  void reload()

  return { agent, call, drafts, pauses, problem, loaded, spoken, order, reload, soon, extension }
}

/** What the event knows of the call; the rest is read a moment later. */
function cardOf(data: LiveData): DeskCall {
  return {
    id: String(data.call), direction: 'in', state: 'ringing', caller: String(data.caller ?? ''),
    identity: (data.identity as number | null) ?? null, queue: String(data.queue ?? '') || null,
    request_type: String(data.request_type ?? '') || null, recorded: data.recorded !== false, rang_at: String(data.at),
    answered_at: null, ended_at: null, unit: '', unit_name: '', unit_answered: false, ticket: null,
    earlier_calls: Number(data.earlier_calls ?? 0), earlier_tickets: (data.earlier_tickets ?? []) as DeskCall['earlier_tickets'],
  }
}
