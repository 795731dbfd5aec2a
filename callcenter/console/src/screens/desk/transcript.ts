/** What is said in a call: heard live, and after its end read from the recordings of everybody. */
import { onScopeDispose, ref, shallowRef } from 'vue'
import { done, http } from '@/api/http'
import { onLive, type LiveData } from '@/api/live'
import { ApiProblem } from '@/api/problem'

export interface Line {
  key: string
  party: string
  who: string
  start: number
  end: number
  text: string
}

export function useTranscript(call: string) {
  const lines = shallowRef<readonly Line[]>([])
  /** What is being said now and may still change. */
  const partial = shallowRef<Line | null>(null)
  const final = ref(false)
  const problem = shallowRef<ApiProblem | null>(null)
  let stream = 0
  let alive = true
  onScopeDispose(() => (alive = false))

  async function load(): Promise<void> {
    try {
      const read = await done(http.GET('/api/calls/{call_id}/transcript', { params: { path: { call_id: call } } }))
      if (!alive) return
      final.value = read.final
      const read_lines = read.lines.map((one, place) => ({
        key: `r${place}`, party: one.party, who: one.party_name, start: one.start_s, end: one.end_s, text: one.text,
      }))
      // What came over the stream while this was on its way is not lost.
      const known = new Set(read_lines.map((one) => `${one.text}|${one.start.toFixed(1)}`))
      lines.value = read.final ? read_lines : [...read_lines, ...lines.value.filter((one) => !known.has(`${one.text}|${one.start.toFixed(1)}`) && one.key.startsWith('l'))]
      if (read.final) partial.value = null
      problem.value = null
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error
      // A call nobody has said anything in yet has no transcript.
      problem.value = error.status === 404 ? null : error
    }
  }

  onLive(['words.live'], (data: LiveData) => {
    if (data.call !== call || final.value) return
    const words = data.words as { start_s: number; end_s: number }[]
    const seq = Number(data.seq)
    const line: Line = {
      key: `l${stream}-${seq}`, party: 'citizen', who: '', start: words[0]?.start_s ?? 0, end: words.at(-1)?.end_s ?? 0, text: String(data.text),
    }
    if (!data.final) return void (partial.value = line)
    partial.value = null
    if (!line.text) return
    // A tap that was made anew counts from the beginning again.
    if (lines.value.some((one) => one.key === line.key && one.text !== line.text)) line.key = `l${++stream}-${seq}`
    const place = lines.value.findIndex((one) => one.key === line.key || (one.text === line.text && Math.abs(one.start - line.start) < 0.05))
    lines.value = place < 0 ? [...lines.value, line] : lines.value.map((one, n) => (n === place ? { ...line, key: one.key } : one))
  })
  onLive(['call.transcribed'], (data) => void (data.call === call && load()))
  onLive(['lagged'], () => void load())
  void load()
  return { lines, partial, final, problem, load }
}
