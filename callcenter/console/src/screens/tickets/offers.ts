/** What this person can do with a ticket: its own events that have a form, and what is done beside them. */
import { callMeeting } from '@/actions/dispatch'
import { forms, tellsItself, type FormLoader } from '@/actions/registry'
import { loadWords, words } from '@/locales/words'
import { useSession } from '@/session'
import type { TicketStory } from '@/tickets/story'

/** told: the form says itself that it is done. */
export interface Offer {
  key: string
  name: string
  load: FormLoader
  told: boolean
}

/** Units are called together while the ticket is worked on. Source: ticketing/dispatch/coordination.py. */
const ENDED: readonly string[] = ['draft', 'archived', 'terminated', 'withdrawn', 'merged']
const callCitizen: FormLoader = async () => {
  await loadWords('citizen_call')
  return (await import('./CallForm.vue')).default
}

export function offersOf(story: TicketStory): Offer[] {
  const own = story.allowed.filter(({ event }) => event in forms)
  return [...own.map(({ event, name }) => ({ key: event, name, load: forms[event]!, told: tellsItself(event) })), ...beside(story)]
}

function beside(story: TicketStory): Offer[] {
  const session = useSession()
  const found: Offer[] = []
  // Who could write such a talk down may have it; of a confidential citizen units know nothing (LS-029).
  const talks = story.allowed.some((one) => one.event === 'note_contact')
  if (talks && (!story.confidential || session.has('agent', 'reviewer', 'supervisor')))
    found.push({ key: 'call_citizen', name: words('tickets.call_citizen'), load: callCitizen, told: false })
  if (session.has('dispatcher', 'reviewer', 'supervisor') && !ENDED.includes(story.state))
    found.push({ key: 'call_meeting', name: words('tickets.call_meeting'), load: callMeeting, told: false })
  return found
}
