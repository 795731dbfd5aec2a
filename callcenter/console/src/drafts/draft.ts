/**
 * A form that saves itself: what is typed goes to the server a moment later, with the version that was read, one
 * request at a time. While the server is away it lies sealed on this computer and is sent again. What somebody else
 * has saved meanwhile is taken over; where both changed the same field, a person decides (`clash`, MergeDialog).
 */
import { computed, onScopeDispose, reactive, ref, shallowRef, watch } from 'vue'
import { listen } from '@/api/live'
import { ApiProblem } from '@/api/problem'
import { moment } from '@/parts/now'
import { useKeeper } from './keeper'
import { forget, kept } from './sealed'
import { changed, combined, differences, pick, same, type Difference, type Values } from './values'

/** What the server holds. editable: false once it can no longer be typed into (registered, closed). */
export interface Snapshot {
  version: number
  values: Values
  editable: boolean
}

export interface Source {
  /** The server's state now. */
  read(): Promise<Snapshot>
  /** Save these fields over that version; the answer is the new version. Throws ApiProblem, `stale` when it is not. */
  save(fields: Values, version: number): Promise<number>
}

/** saved: all is there; waiting: typed, not sent yet; away: no server, sent again soon; refused: see `problem`. */
export type Saving = 'saved' | 'waiting' | 'saving' | 'away' | 'refused' | 'clash'

interface Copy {
  version: number
  base: Values
  values: Values
}

const QUIET_MS = 700
const AGAIN_MS = [1_000, 2_000, 4_000, 8_000, 15_000]
const MOST_ROUNDS = 4
/** How long it is said that somebody else changed a field. */
const TOLD_MS = 20_000

export function useDraft(name: string, source: Source) {
  const values = reactive<Values>({})
  const base = shallowRef<Values>({})
  const version = ref(0)
  const editable = ref(false)
  const state = ref<Saving>('saved')
  const savedAt = ref<number | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  const clash = shallowRef<Difference[] | null>(null)
  /** Fields somebody else changed while this form was open. */
  const taken = shallowRef<readonly string[]>([])
  /** Typed here, found after a crash, and too late to be saved by itself. */
  const leftover = shallowRef<Values | null>(null)
  const dirty = computed(() => changed(base.value, values))
  const begun = computed(() => version.value > 0)
  const keeper = useKeeper(name, () => (dirty.value.length ? copyNow() : undefined))

  let timer: ReturnType<typeof setTimeout> | undefined
  let telling: ReturnType<typeof setTimeout> | undefined
  let inFlight: Promise<boolean> | undefined
  let newer: Snapshot | undefined
  let tries = 0
  let gone = false

  /** Take what the server holds now: the first reading, and every later one. own: this person changed it themselves. */
  async function receive(now: Snapshot, own = false): Promise<void> {
    if (now.version <= version.value) return
    if (inFlight !== undefined) {
      newer = now
      return
    }
    const copy = begun.value ? null : await kept<Copy>(name)
    if (copy !== null) Object.assign(values, copy.base, copy.values)
    const was = copy?.base ?? (begun.value ? base.value : now.values)
    takeOver(was, copy === null && !begun.value ? now.values : { ...was, ...values }, now)
    if (own) taken.value = []
  }

  /** Three ways into one; what cannot be decided waits for the person. */
  function takeOver(was: Values, mine: Values, now: Snapshot): void {
    const found = differences(was, mine, now.values)
    const merged = combined(was, mine, now.values)
    version.value = now.version
    editable.value = now.editable
    base.value = now.values
    taken.value = found.filter((one) => same(one.base, one.mine)).map((one) => one.name)
    clearTimeout(telling)
    telling = setTimeout(() => (taken.value = []), TOLD_MS)
    if (!now.editable) {
      const late = changed(was, mine).filter((one) => !same(mine[one], now.values[one]))
      leftover.value = late.length ? pick(mine, late) : null
      Object.assign(values, now.values)
      return
    }
    Object.assign(values, merged)
    clash.value = found.some((one) => one.conflict) ? found : null
    if (clash.value !== null) state.value = 'clash'
    else touched()
  }

  /** The person has decided every field that clashed. */
  async function settle(chosen: Values): Promise<void> {
    clash.value = null
    Object.assign(values, chosen)
    touched()
    await flush()
  }

  function touched(): void {
    if (!begun.value || clash.value !== null || !editable.value) return
    if (!dirty.value.length) {
      clearTimeout(timer)
      forget(name)
      if (inFlight === undefined) state.value = 'saved'
      return
    }
    keeper.touched()
    if (state.value !== 'away') state.value = 'waiting'
    schedule(QUIET_MS)
  }

  function copyNow(): Copy {
    return { version: version.value, base: { ...base.value }, values: pick(values, dirty.value) }
  }

  function schedule(ms: number): void {
    clearTimeout(timer)
    timer = setTimeout(() => void flush(), ms)
  }

  /** Save now, and until nothing is unsaved; false when it could not be saved. */
  async function flush(): Promise<boolean> {
    clearTimeout(timer)
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      if (inFlight !== undefined) await inFlight
      if (!dirty.value.length) return true
      if (clash.value !== null || !editable.value) return false
      inFlight = attempt(pick(values, dirty.value))
      const saved = await inFlight
      inFlight = undefined
      await catchUp()
      if (!saved) return false
    }
    return !dirty.value.length
  }

  async function catchUp(): Promise<void> {
    const now = newer
    newer = undefined
    if (now !== undefined) await receive(now)
  }

  async function attempt(sent: Values): Promise<boolean> {
    state.value = 'saving'
    try {
      version.value = await source.save(sent, version.value)
    } catch (error) {
      return await notSaved(error)
    }
    base.value = { ...base.value, ...sent }
    problem.value = null
    tries = 0
    savedAt.value = moment()
    state.value = dirty.value.length ? 'waiting' : 'saved'
    if (!dirty.value.length) forget(name)
    return true
  }

  async function notSaved(error: unknown): Promise<boolean> {
    if (!(error instanceof ApiProblem)) throw error
    if (error.stale) return await readAgain()
    if (error.status === 0 || error.status >= 500 || error.status === 429) {
      state.value = 'away'
      if (!gone) schedule(AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)] as number)
      return false
    }
    // Asking the same again would be refused again; the next change is sent anew.
    state.value = 'refused'
    problem.value = error
    return false
  }

  /** Somebody else was first: see what they did; true when the rest can simply be sent again. */
  async function readAgain(): Promise<boolean> {
    try {
      const now = await source.read()
      takeOver(base.value, { ...values }, now)
      return clash.value === null && editable.value
    } catch (error) {
      return await notSaved(error instanceof ApiProblem && error.stale ? new ApiProblem(0, 'offline', '') : error)
    }
  }

  /** What was left over is of no use any more. */
  function drop(): void {
    leftover.value = null
    forget(name)
  }

  watch(values, () => {
    problem.value = null
    touched()
  })
  const online = (): void => void (state.value === 'away' && flush())
  addEventListener('online', online)
  const stops = [listen('lagged', online), () => removeEventListener('online', online)]
  onScopeDispose(() => {
    stops.forEach((stop) => stop())
    clearTimeout(timer)
    clearTimeout(telling)
    gone = true
    if (dirty.value.length && editable.value && clash.value === null) void flush()
  })

  return { values, base, version, editable, state, savedAt, problem, clash, taken, leftover, dirty, begun, receive, settle, flush, drop }
}

export type Draft = ReturnType<typeof useDraft>
