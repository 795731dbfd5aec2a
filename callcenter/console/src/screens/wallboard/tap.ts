/** Listening in: the supervisor's own telephone rings, and from its answer on it hears the call. */
import { computed, ref, type Ref } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { failed, told } from '@/parts/ask'
import { usePhone } from '@/phone/store'
import { useSession } from '@/session'
import type { Board, OpenCall } from './board'

export type Mode = 'listen' | 'whisper' | 'barge' | 'stop-listening'
type End = Schemas['CommandEnd']

export function useTap(board: Ref<Board | null>, read: () => Promise<void>) {
  const session = useSession()
  const phone = usePhone()
  const busy = ref('')
  const may = computed(() => session.has('supervisor') && session.me?.extension != null)
  const lacksPhone = computed(() => session.has('supervisor') && session.me?.extension == null)
  /** The call this person hears now. */
  const heard = computed<OpenCall | null>(() => {
    const own = session.me?.extension
    return own == null ? null : (board.value?.calls.find((one) => one.listeners.includes(own)) ?? null)
  })

  /** Carry it out; its own sentence is shown, whatever became of it. */
  async function ask(call: string, mode: Mode): Promise<void> {
    busy.value = `${call}:${mode}`
    // The ring that comes now is the one just asked for.
    if (mode !== 'stop-listening') phone.expect()
    try {
      told((await send(call, mode)).sentence)
    } catch (error) {
      failed(error)
    } finally {
      busy.value = ''
      void read()
    }
  }
  return { may, lacksPhone, heard, busy, ask }
}

export type Tap = ReturnType<typeof useTap>

function send(call: string, mode: Mode): Promise<End> {
  const params = { path: { call_id: call } }
  if (mode === 'listen') return done(http.POST('/api/calls/{call_id}/listen', { params }))
  if (mode === 'whisper') return done(http.POST('/api/calls/{call_id}/whisper', { params }))
  if (mode === 'barge') return done(http.POST('/api/calls/{call_id}/barge', { params }))
  return done(http.POST('/api/calls/{call_id}/stop-listening', { params }))
}
