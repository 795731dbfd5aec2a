/** One answer of the API on a screen: read again when its question changes; a later reading wins over a slower one. */
import { ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'
import { ApiProblem } from '@/api/problem'

export interface Reading<T> {
  data: ShallowRef<T | null>
  problem: ShallowRef<ApiProblem | null>
  busy: Ref<boolean>
  reload: () => Promise<void>
}

/** `ask` is called at once, and again whenever what it depends on by `key` is another. */
export function useReading<T>(key: () => string, ask: () => Promise<T>): Reading<T> {
  const data = shallowRef<T | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  const busy = ref(false)
  let newest = 0

  async function reload(): Promise<void> {
    const mine = ++newest
    busy.value = true
    try {
      const found = await ask()
      if (mine !== newest) return
      data.value = found
      problem.value = null
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error
      if (mine !== newest) return
      data.value = null
      problem.value = error
    } finally {
      if (mine === newest) busy.value = false
    }
  }

  watch(key, () => void reload(), { immediate: true })
  return { data, problem, busy, reload }
}
