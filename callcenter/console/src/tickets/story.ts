/** One ticket on a screen: read whole, read again when it changes, and every command with the version that was seen. */
import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { listen } from '@/api/live'
import type { ApiProblem } from '@/api/problem'

export type TicketStory = Schemas['TicketStory']
export type TicketNow = Schemas['TicketNow']

/** What its subject is called; one that is no longer in the list keeps its code. */
export const subjectOf = (story: TicketStory): string => story.names[`subject:${story.subject}`] ?? story.subject

export function useStory(id: () => string) {
  const story = shallowRef<TicketStory | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  const busy = ref(false)
  let newest = 0

  /** Read it again; a later reading wins. */
  async function reload(): Promise<void> {
    const [mine, wanted] = [++newest, id()]
    if (!wanted) return
    busy.value = true
    try {
      const found = await done(http.GET('/api/tickets/{ticket_id}', { params: { path: { ticket_id: wanted } } }))
      if (mine === newest) [story.value, problem.value] = [found, null]
    } catch (error) {
      if (mine === newest) problem.value = error as ApiProblem
    } finally {
      if (mine === newest) busy.value = false
    }
  }

  const stops = [
    listen('ticket.changed', (data) => void (data.ticket === id() && reload())),
    listen('lagged', () => void reload()),
  ]
  onScopeDispose(() => stops.forEach((stop) => stop()))

  const may = computed(() => new Set(story.value?.allowed.map((one) => one.event) ?? []))
  return { story, problem, busy, reload, may }
}
