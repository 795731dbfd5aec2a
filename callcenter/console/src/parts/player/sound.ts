/**
 * The sound of one call in the browser's own player, which asks for the parts it needs (Range), so that a click into an
 * hour is heard at once. The reason, where the policy asks for one, goes in the address: the player can send no header.
 */
import { onBeforeUnmount, ref, shallowRef } from 'vue'
import { done, http } from '@/api/http'
import { ApiProblem } from '@/api/problem'

/** The head of a WAV: asking for it tells whether one may listen, and not a frame of sound is sent. */
const HEAD = 'bytes=0-43'
/** A sound that breaks is opened again, but not over and over. */
const AGAIN_AFTER_MS = 10_000

export function useSound(callId: string) {
  const audio = new Audio()
  const playing = ref(false)
  const busy = ref(false)
  /** Seconds into the sound, and how long it is (0: not known yet). */
  const at = ref(0)
  const length = ref(0)
  const speed = ref(1)
  /** -1: the citizen alone, 1: agent and units alone. */
  const balance = ref(0)
  const problem = shallowRef<ApiProblem | null>(null)
  /** The API wants to be told why; its sentence and article. */
  const reasonAsked = shallowRef<ApiProblem | null>(null)
  let reason = ''
  let wanted = 0
  let brokeAt = -AGAIN_AFTER_MS
  let ears: { left: GainNode; right: GainNode; context: AudioContext } | undefined
  let frame = 0

  async function play(): Promise<void> {
    if (!audio.src && !(await open())) return
    await audio.play().catch((error: DOMException) => {
      // Stopped before it began, by a click or by leaving.
      if (error.name !== 'AbortError' && error.name !== 'NotSupportedError') throw error
    })
  }

  async function open(): Promise<boolean> {
    busy.value = true
    try {
      const params = { path: { call_id: callId }, query: { reason } }
      await done(http.GET('/api/calls/{call_id}/audio', { params, headers: { Range: HEAD }, parseAs: 'arrayBuffer' } as never))
      problem.value = reasonAsked.value = null
      audio.src = `/api/calls/${encodeURIComponent(callId)}/audio?${new URLSearchParams({ reason })}`
      audio.playbackRate = speed.value
      if (wanted) audio.currentTime = wanted
      return true
    } catch (error) {
      const told = error as ApiProblem
      if (told.code === 'reason_needed') reasonAsked.value = told
      else problem.value = told
      return false
    } finally {
      busy.value = false
    }
  }

  /** The reason was given. */
  async function because(given: string): Promise<void> {
    reason = given
    reasonAsked.value = null
    await play()
  }

  /** To `seconds` of the sound; before it is open, playing begins there. */
  function seek(seconds: number): void {
    wanted = Math.max(0, length.value ? Math.min(seconds, length.value) : seconds)
    at.value = wanted
    if (audio.src) audio.currentTime = wanted
  }

  function pause(): void {
    audio.pause()
  }

  function setSpeed(value: number): void {
    speed.value = audio.playbackRate = value
  }

  function setBalance(value: number): void {
    balance.value = value
    // Only now: a sound that goes through the mixer is silent until the person has touched the page.
    ears ??= mixed(audio)
    void ears.context.resume()
    ears.left.gain.value = Math.min(1, 1 - value)
    ears.right.gain.value = Math.min(1, 1 + value)
  }

  async function broke(): Promise<void> {
    if (!audio.getAttribute('src')) return
    wanted = at.value
    audio.removeAttribute('src')
    playing.value = false
    const again = performance.now() - brokeAt > AGAIN_AFTER_MS
    brokeAt = performance.now()
    // An ended session is taken up again on the way, and a sound that moved to another store is found there.
    if ((await open()) && again) await play()
  }

  function follow(): void {
    at.value = audio.currentTime
    if (playing.value) frame = requestAnimationFrame(follow)
  }

  audio.preload = 'none'
  audio.addEventListener('loadedmetadata', () => (length.value = audio.duration))
  audio.addEventListener('timeupdate', () => (at.value = audio.currentTime))
  audio.addEventListener('play', () => {
    playing.value = true
    follow()
  })
  for (const kind of ['pause', 'ended']) audio.addEventListener(kind, () => (playing.value = false))
  audio.addEventListener('error', () => void broke())

  onBeforeUnmount(() => {
    cancelAnimationFrame(frame)
    audio.pause()
    audio.removeAttribute('src')
    audio.load()
    void ears?.context.close()
  })

  return { playing, busy, at, length, speed, balance, problem, reasonAsked, play, pause, seek, setSpeed, setBalance, because }
}

/** Left and right each through a knob of its own. */
function mixed(audio: HTMLAudioElement) {
  const context = new AudioContext()
  const [apart, together] = [context.createChannelSplitter(2), context.createChannelMerger(2)]
  const [left, right] = [context.createGain(), context.createGain()]
  context.createMediaElementSource(audio).connect(apart)
  apart.connect(left, 0).connect(together, 0, 0)
  apart.connect(right, 1).connect(together, 0, 1)
  together.connect(context.destination)
  return { left, right, context }
}
