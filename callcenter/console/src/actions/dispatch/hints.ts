/** Tickets that may be the same matter, or the same event; a hint decides nothing. */
import { done, http, type Schemas } from '@/api/http'

export type Hint = Schemas['HintRow']

/** The likeliest first; empty for those who may not ask, and when nobody answers. */
export async function hintsFor(ticket: string): Promise<Hint[]> {
  return await done(http.GET('/api/repeats', { params: { query: { ticket } } })).then((told) => told.rows, () => [])
}
