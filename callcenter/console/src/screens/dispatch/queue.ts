/** The tickets that wait for a dispatcher, in the order the API gives them; read again when something changes. */
import { onScopeDispose, ref, shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { onLive } from '@/api/live'
import type { ApiProblem } from '@/api/problem'

export type Waiting = Schemas['WaitingQueue']['rows'][number]
export type Counts = Schemas['DispatchCounts']

const CALM_MS = 400

export function useQueue() {
  const rows = shallowRef<Waiting[]>([])
  const total = ref(0)
  const counts = shallowRef<Counts | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  const read = ref(false)
  let newest = 0
  let soon: ReturnType<typeof setTimeout> | undefined

  async function reload(): Promise<void> {
    const mine = ++newest
    try {
      const [queue, known] = await Promise.all([done(http.GET('/api/dispatch-queue')), done(http.GET('/api/dispatch-counts'))])
      if (mine !== newest) return
      rows.value = queue.rows
      total.value = queue.total
      counts.value = known
      problem.value = null
    } catch (error) {
      if (mine === newest) problem.value = error as ApiProblem
    } finally {
      if (mine === newest) read.value = true
    }
  }

  // A storm of changes is read once; the first of it soon enough.
  onLive(['ticket.changed', 'lagged'], () => {
    soon ??= setTimeout(() => {
      soon = undefined
      void reload()
    }, CALM_MS)
  })
  onScopeDispose(() => clearTimeout(soon))
  void reload()
  return { rows, total, counts, problem, read, reload }
}
