/** What the server says a form needs, read when the form opens and again when the ticket has changed. */
import { ref, shallowRef, watch } from 'vue'
import { done } from '@/api/http'
import type { ApiProblem } from '@/api/problem'

type Answer<T> = Parameters<typeof done<T>>[0]

export function useAsked<T>(ask: () => Answer<T>, again: () => unknown) {
  const asked = shallowRef<T | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  const busy = ref(false)
  let newest = 0

  async function read(): Promise<void> {
    const mine = ++newest
    busy.value = true
    try {
      const found = await done<T>(ask())
      if (mine === newest) [asked.value, problem.value] = [found, null]
    } catch (error) {
      if (mine === newest) problem.value = error as ApiProblem
    } finally {
      if (mine === newest) busy.value = false
    }
  }

  watch(again, () => void read(), { immediate: true })
  return { asked, problem, busy, read }
}
