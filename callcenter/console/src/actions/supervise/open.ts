/** The supervisions of one ticket that still run. */
import { shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { failed } from '@/parts/ask'

export type Supervision = Schemas['SupervisionPage']['rows'][number]

export function useOpenSupervisions(ticket: string) {
  const open = shallowRef<Supervision[] | null>(null)
  done(http.GET('/api/supervisions', { params: { query: { ticket, running: true } } })).then((found) => (open.value = found.rows), failed)
  return open
}
