/** The lines of one tab as the API orders them, page after page, and how many wait in each tab. */
import { onScopeDispose, ref, shallowRef, watch } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { onLive } from '@/api/live'
import type { ApiProblem } from '@/api/problem'

export const LISTS = ['replies', 'calls', 'unsatisfied', 'checks', 'publication', 'abuse'] as const
export type List = (typeof LISTS)[number]
export type Row = Schemas['ReviewRow']

const CALM_MS = 400
const PAGE = 50
const MOST = 100

export function isList(name: string): name is List {
  return (LISTS as readonly string[]).includes(name)
}

export function useWork(tab: () => List | null, text: () => string) {
  const rows = shallowRef<readonly Row[]>([])
  const next = shallowRef<string | null>(null)
  const quiet = ref(false)
  const problem = shallowRef<ApiProblem | null>(null)
  const read = ref(false)
  let newest = 0

  async function page(after: string, limit: number): Promise<void> {
    const [mine, wanted] = [++newest, tab()]
    if (wanted === null) return
    try {
      const query = { tab: wanted, text: text().trim(), after, limit }
      const found = await done(http.GET('/api/review/work', { params: { query } }))
      if (mine !== newest) return
      rows.value = after ? [...rows.value, ...found.rows] : found.rows
      ;[next.value, quiet.value, problem.value] = [found.next, found.quiet, null]
    } catch (error) {
      if (mine === newest) problem.value = error as ApiProblem
    } finally {
      if (mine === newest) read.value = true
    }
  }

  /** As much as is shown, so that nothing is folded away. */
  const reload = (): Promise<void> => page('', Math.min(MOST, Math.max(PAGE, rows.value.length)))
  const more = (): Promise<void> => (next.value === null ? Promise.resolve() : page(next.value, PAGE))

  watch(tab, () => {
    ;[rows.value, next.value, read.value] = [[], null, false]
    void reload()
  }, { immediate: true })
  calmly(() => void reload())
  return { rows, next, quiet, problem, read, reload, more }
}

export function useCounts() {
  const tabs = shallowRef<Record<string, number>>({})

  async function reload(): Promise<void> {
    const found = await done(http.GET('/api/review/counts')).catch(() => null)
    if (found) tabs.value = found.tabs
  }

  void reload()
  calmly(() => void reload())
  return { tabs, reload }
}

/** A storm of changes is read once; the first of it soon enough. */
function calmly(read: () => void): void {
  let soon: ReturnType<typeof setTimeout> | undefined
  onLive(['ticket.changed', 'lagged'], () => {
    soon ??= setTimeout(() => {
      soon = undefined
      read()
    }, CALM_MS)
  })
  onScopeDispose(() => clearTimeout(soon))
}
