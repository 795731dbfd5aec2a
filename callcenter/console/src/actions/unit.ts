/** What a handling unit does to a ticket, as forms; each brings the texts it needs. */
import { formsWith } from './form'
import type { FormLoader } from './registry'

const form = formsWith('unit', 'dispatch', 'attachments')

export const forms: Record<string, FormLoader> = {
  sign: form(() => import('./unit/Sign.vue')),
  start: form(() => import('./unit/Start.vue')),
  note_contact: form(() => import('./unit/NoteContact.vue')),
  reply: form(() => import('./unit/Reply.vue')),
  ask_signoff: form(() => import('./unit/Reply.vue')),
  ask_return: form(() => import('./unit/AskReturn.vue')),
  ask_extension: form(() => import('./unit/AskExtension.vue')),
  sign_assist: form(() => import('./unit/Sign.vue'), { assist: true }),
  give_opinion: form(() => import('./unit/GiveOpinion.vue')),
  report_progress: form(() => import('./unit/ReportProgress.vue')),
  forward_down: form(() => import('./unit/ForwardDown.vue')),
  hand_back: form(() => import('./unit/HandBack.vue')),
  ask_termination: form(() => import('./unit/AskTermination.vue')),
  keep_commitment: form(() => import('./unit/KeepCommitment.vue')),
}

export const tells = Object.keys(forms)
