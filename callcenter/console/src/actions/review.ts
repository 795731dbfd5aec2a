/** What a reviewer does after a unit has replied, as forms; each brings the texts it needs. */
import { formsWith } from './form'
import type { FormLoader } from './registry'

const form = formsWith('review', 'dispatch')

export const forms: Record<string, FormLoader> = {
  reject_reply: form(() => import('./review/RejectReply.vue')),
  begin_survey: form(() => import('./review/BeginSurvey.vue')),
  rate: form(() => import('./review/CallResult.vue')),
  note_cause: form(() => import('./review/NoteCause.vue')),
  close: form(() => import('./review/Close.vue')),
  rework: form(() => import('./review/Rework.vue')),
  archive: form(() => import('./review/Archive.vue')),
  decide_publication: form(() => import('./review/DecidePublication.vue')),
  look_back: form(() => import('./review/LookBack.vue')),
  note_abuse: form(() => import('./review/NoteAbuse.vue')),
}
