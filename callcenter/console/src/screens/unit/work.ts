/** A unit's tabs and how much waits on each; read again when something of the unit changes. */
import { onScopeDispose, shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { onLive } from '@/api/live'
import type { ApiProblem } from '@/api/problem'

export const WORK_TABS = ['to_sign', 'in_hand', 'rejected', 'assists', 'signoff', 'overdue', 'supervised', 'passed_down', 'answered'] as const
export type WorkTab = (typeof WORK_TABS)[number]
export type Tab = WorkTab | 'promises' | 'notices'
export type Counts = Schemas['WorkCounts']
export type WorkRow = Schemas['WorkRow']
export const CHANGES = ['ticket.changed', 'ticket.urged', 'coordination.called', 'coordination.answered', 'lagged']
const CALM_MS = 500

export function useCounts() {
  const counts = shallowRef<Counts | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  let newest = 0

  async function reload(): Promise<void> {
    const mine = ++newest
    try {
      const found = await done(http.GET('/api/unit-work/counts'))
      if (mine === newest) [counts.value, problem.value] = [found, null]
    } catch (error) {
      if (mine === newest) problem.value = error as ApiProblem
    }
  }

  void reload()
  return { counts, problem, reload }
}

/** Call `read` a moment after something changed; many changes at once are one. */
export function onChanges(read: () => void): void {
  let soon: ReturnType<typeof setTimeout> | undefined
  onLive(CHANGES, () => {
    clearTimeout(soon)
    soon = setTimeout(read, CALM_MS)
  })
  onScopeDispose(() => clearTimeout(soon))
}

/** What the badge of a tab says; undefined: none. */
export function countOf(tab: Tab, counts: Counts | null): number {
  if (counts === null) return 0
  if (tab === 'promises') return counts.commitments
  if (tab === 'notices') return counts.notices + counts.coordination + counts.questions + counts.tasks + counts.supervisions
  return counts.tabs[tab] ?? 0
}
