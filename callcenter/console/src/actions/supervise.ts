/** What supervisors do to a ticket, and what a supervised unit answers, as forms; each brings the texts it needs. */
import { formsWith } from './form'
import type { FormLoader } from './registry'

const form = formsWith('supervise', 'dispatch')

export const forms: Record<string, FormLoader> = {
  urge: form(() => import('./supervise/Urge.vue')),
  supervise: form(() => import('./supervise/Supervise.vue')),
  answer_supervision: form(() => import('./supervise/AnswerSupervision.vue')),
  end_supervision: form(() => import('./supervise/EndSupervision.vue')),
  warn: form(() => import('./supervise/Warn.vue')),
}

export const tells = Object.keys(forms)
