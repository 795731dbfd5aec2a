/** The wallboard as the API counts it: read again when something happens, and every few seconds anyway. */
import { onScopeDispose, provide, shallowRef, type InjectionKey, type Ref } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { onLive } from '@/api/live'
import type { ApiProblem } from '@/api/problem'
import { now } from '@/parts/now'

export type Board = Schemas['Wallboard']
export type OpenCall = Schemas['OpenCallRow']
export type AgentNow = Schemas['AgentNowRow']
export type Rate = Schemas['RateOut']

/** What a page asks by itself does not keep its person signed in. */
export const AUTOMATIC = { 'X-Automatic': '1' }
/** The moment by the server's clock, for what ticks. */
export const CLOCK: InjectionKey<Ref<number>> = Symbol('clock')
const EVERY_MS = 5_000
const AT_MOST_EVERY_MS = 1_000
const KINDS = [
  'call.started', 'call.queued', 'call.ringing', 'call.answered', 'call.situation', 'call.joined', 'call.left', 'call.missed', 'call.ended',
  'agent.observed', 'agent.missed_ring', 'agent.ordered', 'storage.level', 'lagged',
]

export function useBoard() {
  const board = shallowRef<Board | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  let reading = false
  let wanted = false
  let soon: ReturnType<typeof setTimeout> | undefined

  /** One reading at a time; what is asked for meanwhile is one more reading afterwards. */
  async function read(): Promise<void> {
    if (reading) return void (wanted = true)
    reading = true
    try {
      const found = await done(http.GET('/api/wallboard', { headers: AUTOMATIC }))
      board.value = found
      problem.value = null
    } catch (error) {
      problem.value = error as ApiProblem
    } finally {
      reading = false
      if (wanted) [wanted] = [false, readSoon()]
    }
  }

  function readSoon(): void {
    soon ??= setTimeout(() => {
      soon = undefined
      void read()
    }, AT_MOST_EVERY_MS)
  }

  onLive(KINDS, readSoon)
  const timer = setInterval(() => document.visibilityState === 'visible' && void read(), EVERY_MS)
  onScopeDispose(() => {
    clearInterval(timer)
    clearTimeout(soon)
  })
  void read()

  provide(CLOCK, now)
  return { board, problem, clock: now, read }
}

/** Whole seconds since an instant. */
export function since(iso: string, clock: number): number {
  return Math.max(0, Math.floor((clock - Date.parse(iso)) / 1000))
}

/** 0.9345 as 93.5%. */
export function percent(share: number | null): string {
  return share === null ? '—' : `${(share * 100).toFixed(1)}%`
}
