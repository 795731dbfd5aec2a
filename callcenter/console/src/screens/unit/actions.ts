/** What this person can do with a ticket now: judged by the server on the ticket's own rules, with reasons beforehand. */
import { computed, shallowRef, watch } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import type { ApiProblem } from '@/api/problem'
import { forms } from '@/actions/registry'
import type { TicketStory } from '@/tickets/story'

export type Action = Schemas['ActionRow']
/** What is not among the unit's own rules: the signature of its principal, and what a supervision asks. */
const BESIDE = ['sign_approval', 'decline_approval', 'answer_supervision']
const FIRST = ['sign', 'sign_approval', 'sign_assist', 'start', 'reply', 'ask_signoff', 'give_opinion', 'keep_commitment', 'answer_supervision']

export function useActions(story: () => TicketStory | null) {
  const judged = shallowRef<Schemas['UnitActions'] | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  let newest = 0

  async function reload(): Promise<void> {
    const ticket = story()
    if (ticket === null) return
    const mine = ++newest
    try {
      const path = { ticket_id: ticket.id }
      const found = await done(http.GET('/api/tickets/{ticket_id}/unit-actions', { params: { path } }))
      if (mine === newest) [judged.value, problem.value] = [found, null]
    } catch (error) {
      if (mine === newest) problem.value = error as ApiProblem
    }
  }

  const beside = computed<Action[]>(() =>
    (story()?.allowed ?? []).filter((one) => BESIDE.includes(one.event) && worth(one.event)).map((one) => ({ ...one, refused: '', article: '' })),
  )

  /** A supervision is answered where one runs. */
  function worth(event: string): boolean {
    return event !== 'answer_supervision' || (story()?.supervising.length ?? 0) > 0
  }

  const all = computed(() => [...beside.value, ...(judged.value?.rows ?? [])].filter((one) => one.event in forms))
  const able = computed(() => all.value.filter((one) => !one.refused))
  const unable = computed(() => all.value.filter((one) => one.refused))
  /** The next step of the usual course. */
  const main = computed(() => FIRST.map((event) => able.value.find((one) => one.event === event)).find((one) => one !== undefined))
  const others = computed(() => able.value.filter((one) => one !== main.value))

  watch(() => story()?.version, () => void reload(), { immediate: true })
  return { judged, problem, able, unable, main, others, reload }
}
