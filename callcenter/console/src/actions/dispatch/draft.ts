/** What a dispatcher has filled in for a ticket, kept while the page is open: going to another ticket and back, or the
 * ticket being taken by somebody else, loses nothing. */
import { reactive } from 'vue'

export interface Draft {
  lead: string
  assists: string[]
  basis: string
  instruction: string
  reason: string
  /** Working days; 0: the longest, nothing is chosen. */
  chosen: number
  noticeAt: string
  noticePerson: string
  onSpotBy: string
  statutory: boolean
  statutoryAmount: number
  statutoryClock: 'wd' | 'h' | 'min' | 'd'
  statutoryBasis: string
  statutoryApprover: string
}

const drafts = new Map<string, Draft>()

function empty(): Draft {
  return {
    lead: '', assists: [], basis: '', instruction: '', reason: '', chosen: 0, noticeAt: '', noticePerson: '', onSpotBy: '',
    statutory: false, statutoryAmount: 30, statutoryClock: 'wd', statutoryBasis: '', statutoryApprover: '',
  }
}

/** The draft of this ticket's dispatch. */
export function draftOf(ticket: string): Draft {
  let known = drafts.get(ticket)
  if (known === undefined) {
    known = reactive(empty())
    drafts.set(ticket, known)
  }
  return known
}

/** It was sent. */
export function forget(ticket: string): void {
  drafts.delete(ticket)
}
