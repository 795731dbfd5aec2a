/** What the desk does with a request: take it in, answer, refuse, lead on, complete, correct. */
import { formsWith } from './form'
import type { FormLoader } from './registry'

const form = formsWith('intake')

export const forms: Record<string, FormLoader> = {
  register: form(() => import('./desk/Register.vue')),
  answer: form(() => import('./desk/Answer.vue')),
  reject: form(() => import('./desk/Reject.vue')),
  refer: form(() => import('./desk/Refer.vue')),
  forward: form(() => import('./desk/Forward.vue')),
  withdraw: form(() => import('./desk/Withdraw.vue')),
  ask_supplement: form(() => import('./desk/AskSupplement.vue')),
  supplement: form(() => import('./desk/Supplement.vue')),
  edit: form(() => import('./desk/Edit.vue')),
}
