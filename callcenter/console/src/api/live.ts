/** The live stream: what happens on calls and tickets, as it happens. One connection a tab, shared by all screens. */
import { onScopeDispose, shallowRef } from 'vue'

export type LiveData = Record<string, unknown>
type Handler = (data: LiveData) => void

const RETRY_MS = 2_000
const handlers = new Map<string, Set<Handler>>()
let source: EventSource | undefined
let again: ReturnType<typeof setTimeout> | undefined

/** Whether events arrive now. */
export const connected = shallowRef(false)

/** Begin to listen; `lagged` is told after every gap, so that screens read their tables again. */
export function startLive(): void {
  if (source !== undefined) return
  const opened = new EventSource('/api/stream')
  source = opened
  let first = true
  opened.onopen = () => {
    connected.value = true
    if (!first) tell('lagged', {})
    first = false
  }
  opened.onerror = () => {
    connected.value = false
    // A browser gives up for good after an answer that is no stream (signed out, server restarting).
    if (opened.readyState === EventSource.CLOSED) {
      stopLive()
      again = setTimeout(() => {
        startLive()
        tell('lagged', {})
      }, RETRY_MS)
    }
  }
  for (const kind of handlers.keys()) follow(kind)
}

/** End it, at sign-out. */
export function stopLive(): void {
  clearTimeout(again)
  source?.close()
  source = undefined
  connected.value = false
}

/** Call `handler` for each event of these kinds until the component that asked is gone. */
export function onLive(kinds: readonly string[], handler: Handler): void {
  const stops = kinds.map((kind) => listen(kind, handler))
  onScopeDispose(() => stops.forEach((stop) => stop()))
}

/** The same outside components; call the answer to stop. */
export function listen(kind: string, handler: Handler): () => void {
  let known = handlers.get(kind)
  if (known === undefined) {
    known = new Set()
    handlers.set(kind, known)
    follow(kind)
  }
  known.add(handler)
  return () => handlers.get(kind)?.delete(handler)
}

function follow(kind: string): void {
  source?.addEventListener(kind, (event) => tell(kind, JSON.parse((event as MessageEvent<string>).data) as LiveData))
}

function tell(kind: string, data: LiveData): void {
  for (const handler of handlers.get(kind) ?? []) handler(data)
}
