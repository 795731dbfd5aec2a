/** One request of a form: under way, then answered or refused; what was typed stays either way. */
import { ref, shallowRef } from 'vue'
import { ApiProblem } from '@/api/problem'

export function useSending() {
  const busy = ref(false)
  const problem = shallowRef<ApiProblem | null>(null)

  /** What was answered (undefined where there is nothing to say); null when it was refused, the reason in `problem`, or one is under way. */
  async function send<T>(ask: () => Promise<T>): Promise<T | null> {
    if (busy.value) return null
    busy.value = true
    problem.value = null
    try {
      return await ask()
    } catch (error) {
      problem.value = error instanceof ApiProblem ? error : new ApiProblem(0, 'unexpected', String(error))
      return null
    } finally {
      busy.value = false
    }
  }

  return { busy, problem, send }
}
