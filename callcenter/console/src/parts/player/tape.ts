/** What there is of a call's recordings: legs, waveforms, gaps, words; all in seconds of the call's clock. */
import { ref, shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { ApiProblem } from '@/api/problem'

export interface Wave {
  /** citizen above, everybody else below. */
  upper: boolean
  step: number
  offset: number
  values: readonly number[]
}

export interface Hole {
  party: string
  from: number
  until: number
  seconds: number
  cause: string
}

export type Recording = Schemas['RecordingRow']
const BUCKETS = 1_000

export function useTape(callId: string) {
  const recordings = shallowRef<Recording[]>([])
  const waves = shallowRef<Wave[]>([])
  const holes = shallowRef<Hole[]>([])
  const words = shallowRef<Schemas['TranscriptText'] | null>(null)
  /** Where the sound of the whole call begins, 0 or before; how far anything of it reaches. */
  const begins = ref(0)
  const ends = ref(0)
  const loaded = ref(false)
  const problem = shallowRef<ApiProblem | null>(null)
  const params = { path: { call_id: callId } }

  async function load(): Promise<void> {
    try {
      const [list, said] = await Promise.all([
        done(http.GET('/api/calls/{call_id}/recordings', { params })),
        done(http.GET('/api/calls/{call_id}/transcript', { params })),
      ])
      recordings.value = list.recordings
      words.value = said
      begins.value = list.begins_s
      holes.value = holesOf(list)
      ends.value = Math.max(0, ...list.recordings.map((one) => one.offset_s + (one.duration_s ?? 0)), ...holes.value.map((one) => one.until))
      problem.value = null
      loaded.value = true
      waves.value = await wavesOf(list.recordings)
    } catch (error) {
      problem.value = error as ApiProblem
      loaded.value = true
    }
  }

  return { recordings, waves, holes, words, begins, ends, loaded, problem, load }
}

async function wavesOf(recordings: Recording[]): Promise<Wave[]> {
  const legs = recordings.filter((one) => one.playable && one.kind === 'leg')
  const asked = (legs.length ? legs : recordings.filter((one) => one.playable)).map(async (one) => {
    const params = { path: { recording_id: one.id }, query: { buckets: BUCKETS } }
    const found = await done(http.GET('/api/recordings/{recording_id}/peaks', { params }))
    return { upper: one.party === 'citizen', step: found.step_s, offset: found.offset_s, values: found.values }
  })
  // A waveform is an outline to find one's way by; a call whose outline cannot be drawn is listened to all the same.
  return (await Promise.allSettled(asked)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}

/** Gaps are told in moments; the recordings say which moment is zero. */
function holesOf(list: Schemas['RecordingList']): Hole[] {
  const known = list.recordings.find((one) => one.started_at !== null)
  const first = list.gaps[0]
  const zero = known?.started_at ? Date.parse(known.started_at) - known.offset_s * 1_000 : first ? Date.parse(first.from_at) : 0
  return list.gaps.map((one) => ({
    party: one.party,
    from: (Date.parse(one.from_at) - zero) / 1_000,
    until: (Date.parse(one.until_at) - zero) / 1_000,
    seconds: one.seconds,
    cause: one.cause,
  }))
}
