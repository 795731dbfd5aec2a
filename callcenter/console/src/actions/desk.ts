/** What the desk does with a request: take it in, answer, refuse, lead on, complete, correct. */
import { loadWords } from '@/locales/words'
import type { FormLoader } from './registry'

/** A form with its texts, wherever it is shown. */
function form(load: FormLoader): FormLoader {
  return async () => (await Promise.all([load(), loadWords('intake')]))[0]
}

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
