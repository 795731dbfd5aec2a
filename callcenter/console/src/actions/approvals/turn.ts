/** Whose signature a running set of signatures waits for, and which of them this person may give. */
import { computed } from 'vue'
import type { Schemas } from '@/api/http'
import { useSession } from '@/session'
import type { TicketStory } from '@/tickets/story'

export type Approval = Schemas['ApprovalRow']
export type Step = Approval['steps'][number]

export function useTurn(story: () => TicketStory) {
  const session = useSession()
  const open = computed(() => story().approvals.find((one) => one.state === 'open'))
  const mine = computed(() => open.value?.steps.filter((step) => step.active && fits(step, open.value!)) ?? [])
  const last = computed(() => open.value?.steps.filter((step) => step.state === 'open').length === 1)

  /** The same test as the server's, which decides: only what is offered depends on it. */
  function fits(step: Step, approval: Approval): boolean {
    const me = session.me
    if (me === null) return false
    if (step.kind === 'title' || step.kind === 'office') {
      return session.has('leader') && me.titles.some((title) => title === step.signer || title === `${step.signer}@${approval.unit}`)
    }
    if (step.kind === 'unit_head') return session.has('unit_head') && me.unit === approval.unit
    return session.has('supervisor')
  }

  return { open, mine, last }
}
