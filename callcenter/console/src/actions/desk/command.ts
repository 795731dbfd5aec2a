/** One command on a ticket from a form: busy while it runs, the problem when it was not done. */
import { done } from '@/api/http'
import { useSending } from '@/parts/sending'

type Asked = Parameters<typeof done>[0]

export interface CommandEvents {
  (event: 'done'): void
  (event: 'cancel'): void
  /** Somebody else changed the ticket: read it again; what was typed here stays. */
  (event: 'stale'): void
}

export function useCommand(emit: CommandEvents) {
  const { busy, problem, send } = useSending()

  async function run(ask: () => Asked): Promise<void> {
    if (busy.value) return
    await send(() => done(ask()))
    if (problem.value === null) emit('done')
    else if (problem.value.stale) emit('stale')
  }
  return { busy, problem, run }
}
