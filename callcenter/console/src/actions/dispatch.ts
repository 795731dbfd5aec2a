/** What a dispatcher does to a ticket, as forms; each brings the texts it needs. */
import { formsWith } from './form'
import type { FormLoader } from './registry'

const form = formsWith('dispatch')

export const forms: Record<string, FormLoader> = {
  dispatch: form(() => import('./dispatch/Dispatch.vue')),
  add_assist: form(() => import('./dispatch/AddAssist.vue')),
  grant_return: form(() => import('./dispatch/GrantReturn.vue')),
  refuse_return: form(() => import('./dispatch/RefuseReturn.vue')),
  grant_extension: form(() => import('./dispatch/GrantExtension.vue')),
  refuse_extension: form(() => import('./dispatch/RefuseExtension.vue')),
  open_dispute: form(() => import('./dispatch/OpenDispute.vue')),
  rule_dispute: form(() => import('./dispatch/RuleDispute.vue')),
  note_outage: form(() => import('./dispatch/NoteOutage.vue')),
  merge: form(() => import('./dispatch/Join.vue'), { kind: 'merge' }),
  unmerge: form(() => import('./dispatch/Unjoin.vue'), { kind: 'merge' }),
  link: form(() => import('./dispatch/Join.vue'), { kind: 'repeat' }),
  unlink: form(() => import('./dispatch/Unjoin.vue'), { kind: 'repeat' }),
  flag: form(() => import('./dispatch/Mark.vue')),
  ask_approval: form(() => import('./dispatch/AskApproval.vue')),
}

/** The dispatch itself is not told by its name, but whom it went to. */
export const tells = ['dispatch']

/** Not an event of the ticket itself: units are called to a meeting or to the place. For dispatchers, reviewers, supervisors. */
export const callMeeting: FormLoader = form(() => import('./dispatch/CallMeeting.vue'))
