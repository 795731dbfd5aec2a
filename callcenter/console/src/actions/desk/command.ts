/** One command on a ticket from a form: busy while it runs, the problem when it was not done. */
import { ref, shallowRef } from 'vue'
import { done } from '@/api/http'
import type { ApiProblem } from '@/api/problem'

type Asked = Parameters<typeof done>[0]

export interface CommandEvents {
  (event: 'done'): void
  (event: 'cancel'): void
  /** Somebody else changed the ticket: read it again; what was typed here stays. */
  (event: 'stale'): void
}

export function useCommand(emit: CommandEvents) {
  const busy = ref(false)
  const problem = shallowRef<ApiProblem | null>(null)

  async function run(ask: () => Asked): Promise<void> {
    if (busy.value) return
    busy.value = true
    problem.value = null
    try {
      await done(ask())
      emit('done')
    } catch (error) {
      problem.value = error as ApiProblem
      if (problem.value.stale) emit('stale')
    } finally {
      busy.value = false
    }
  }
  return { busy, problem, run }
}
