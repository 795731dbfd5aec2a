/** What a ticket's own policy offers its forms: cases, signatures, the dispute's body, marks. */
import { shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { failed } from '@/parts/ask'

export type Choices = Schemas['TicketChoices']

export function useChoices(ticket: string) {
  const choices = shallowRef<Choices | null>(null)
  done(http.GET('/api/tickets/{ticket_id}/choices', { params: { path: { ticket_id: ticket } } })).then((found) => (choices.value = found), failed)
  return choices
}
