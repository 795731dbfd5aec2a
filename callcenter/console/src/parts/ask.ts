/** Small questions and answers to the person: done, not done, why. */
import { ElMessage, ElMessageBox } from 'element-plus'
import 'element-plus/es/components/message/style/css'
import 'element-plus/es/components/message-box/style/css'
import { ApiProblem } from '@/api/problem'
import { words } from '@/locales/words'

/** It is done. */
export function told(text: string): void {
  ElMessage.success({ message: text, grouping: true })
}

/** It is not done; the sentence says why and what to do. */
export function failed(error: unknown): void {
  const text = error instanceof ApiProblem ? error.detail : words('common.failed', { status: 'E' })
  ElMessage.error({ message: text, duration: 8_000, showClose: true, grouping: true })
  if (!(error instanceof ApiProblem)) console.error(error)
}

/** Yes or no. */
export async function confirmed(text: string, title: string): Promise<boolean> {
  return await ElMessageBox.confirm(text, title, {
    confirmButtonText: words('common.do.ok'), cancelButtonText: words('common.do.cancel'), type: 'warning',
  }).then(() => true, () => false)
}

/** A reason in words; null when the person thought better of it. */
export async function reasonFor(title: string, least = 2): Promise<string | null> {
  return await ElMessageBox.prompt(words('common.reason.label'), title, {
    confirmButtonText: words('common.do.ok'), cancelButtonText: words('common.do.cancel'), inputType: 'textarea',
    inputValidator: (text) => (text?.trim().length ?? 0) >= least || words('common.reason.needed'),
  }).then(({ value }) => value.trim(), () => null)
}
