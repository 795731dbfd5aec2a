/** Signatures on a ticket, as forms; each brings the texts it needs. */
import { loadWords } from '@/locales/words'
import type { FormLoader } from './registry'

const form =
  (load: FormLoader): FormLoader =>
  async () => {
    await loadWords('dispatch', 'approvals')
    return load()
  }

export const forms: Record<string, FormLoader> = {
  sign_approval: form(() => import('./approvals/SignApproval.vue')),
  decline_approval: form(() => import('./approvals/DeclineApproval.vue')),
}

export const tells = Object.keys(forms)
