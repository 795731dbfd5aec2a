/** The policy's choices for a ticket under review, read once a version. */
import { ref, shallowRef, watch } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import type { ApiProblem } from '@/api/problem'

export type Sheet = Schemas['ReviewSheet']
export type Code = Sheet['causes'][number]

export function useSheet(of: () => { id: string; version: number } | null) {
  const sheet = shallowRef<Sheet | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  const read = ref(false)
  let newest = 0

  async function reload(): Promise<void> {
    const [mine, wanted] = [++newest, of()]
    if (wanted === null) return
    try {
      const found = await done(http.GET('/api/tickets/{ticket_id}/review', { params: { path: { ticket_id: wanted.id } } }))
      if (mine === newest) [sheet.value, problem.value] = [found, null]
    } catch (error) {
      if (mine === newest) problem.value = error as ApiProblem
    } finally {
      if (mine === newest) read.value = true
    }
  }

  watch(() => [of()?.id, of()?.version], ([id], before) => {
    if (id !== before?.[0]) sheet.value = null
    void reload()
  }, { immediate: true })
  return { sheet, problem, read, reload }
}
