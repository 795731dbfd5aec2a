/** The fields of a ticket that people fill in, between the API's shapes and a form. */
import type { Schemas } from '@/api/http'
import { pick, type Value, type Values } from './values'

type Fields = Schemas['Fields']
type Story = Schemas['TicketStory']

export const TEXTS = ['request_type', 'source', 'subject', 'title', 'content', 'place', 'occurred', 'named_unit', 'contact_name', 'requester_kind', 'grade', 'accused'] as const
export const MARKS = ['urgent', 'confidential'] as const
export type FieldName = (typeof TEXTS)[number] | (typeof MARKS)[number] | 'flags'
export const FIELDS: readonly FieldName[] = [...TEXTS, ...MARKS, 'flags']

/** Limits of the API, in characters. */
export const MOST: Partial<Record<FieldName, number>> = { content: 20_000 }
export const MOST_SHORT = 500

/** Which field of the ticket a suggestion is for; the others are only shown. */
export const SUGGESTED: Record<string, FieldName | 'requester'> = {
  request_type: 'request_type', subject: 'subject', place: 'place', occurred_at: 'occurred', unit: 'named_unit',
  contact_name: 'contact_name', contact_phone: 'requester', urgency: 'urgent', summary: 'content',
}

/** A ticket as a form holds it. */
export function valuesOf(story: Story): Values {
  const known = story as unknown as Record<string, Value | undefined>
  return Object.fromEntries(FIELDS.map((name) => [name, known[name] ?? (name === 'flags' ? [] : MARKS.includes(name as never) ? false : '')]))
}

/** Some fields as the API takes them. */
export function fieldsOf(values: Values, names: readonly string[] = Object.keys(values)): Fields {
  return pick(values, names) as unknown as Fields
}
