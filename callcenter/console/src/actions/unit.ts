/** What a handling unit does to a ticket, as forms; each brings the texts it needs. */
import { loadWords } from '@/locales/words'
import type { FormLoader } from './registry'

const form =
  (load: FormLoader): FormLoader =>
  async () => {
    await loadWords('unit', 'dispatch', 'attachments')
    return load()
  }

export const forms: Record<string, FormLoader> = {
  sign: form(() => import('./unit/Sign.vue')),
  start: form(() => import('./unit/Start.vue')),
  note_contact: form(() => import('./unit/NoteContact.vue')),
  reply: form(() => import('./unit/Reply.vue')),
  ask_signoff: form(() => import('./unit/Reply.vue')),
  ask_return: form(() => import('./unit/AskReturn.vue')),
  ask_extension: form(() => import('./unit/AskExtension.vue')),
  sign_assist: form(() => import('./unit/SignAssist.vue')),
  give_opinion: form(() => import('./unit/GiveOpinion.vue')),
  report_progress: form(() => import('./unit/ReportProgress.vue')),
  forward_down: form(() => import('./unit/ForwardDown.vue')),
  hand_back: form(() => import('./unit/HandBack.vue')),
  ask_termination: form(() => import('./unit/AskTermination.vue')),
  keep_commitment: form(() => import('./unit/KeepCommitment.vue')),
}

export const tells = Object.keys(forms)
