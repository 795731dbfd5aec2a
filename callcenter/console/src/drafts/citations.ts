/** What an agent has cited from the knowledge base while writing a ticket, for its answer. */
import { shallowReactive } from 'vue'

export interface Cited {
  /** `12@3`: item and version. */
  reference: string
  title: string
  /** What of it goes into the answer. */
  text: string
}

const cited = shallowReactive(new Map<string, readonly Cited[]>())

export function citedFor(ticket: string): readonly Cited[] {
  return cited.get(ticket) ?? []
}

/** The newest last; the same item once. */
export function cite(ticket: string, item: Cited): void {
  cited.set(ticket, [...citedFor(ticket).filter((one) => one.reference !== item.reference), item])
}
