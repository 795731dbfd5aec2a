/** Signatures on a ticket, as forms; each brings the texts it needs. */
import { formsWith } from './form'
import type { FormLoader } from './registry'

const form = formsWith('dispatch', 'approvals')

export const forms: Record<string, FormLoader> = {
  sign_approval: form(() => import('./approvals/SignApproval.vue')),
  decline_approval: form(() => import('./approvals/DeclineApproval.vue')),
}

export const tells = Object.keys(forms)
