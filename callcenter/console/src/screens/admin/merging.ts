/** A form over something that others edit too: what they saved meanwhile is read and laid beside what was typed. */
import { shallowRef } from 'vue'
import { differences, type Difference, type Values } from '@/drafts/values'
import { useSending } from '@/parts/sending'

interface Kept {
  values: Values
  version: string | number
}

interface Form {
  /** What is typed now. */
  typed: () => Values
  /** Put values into the form. */
  fill: (values: Values) => void
  /** Send what is typed, against the version that was seen. Throws ApiProblem. */
  send: (version: string | number) => Promise<void>
  /** What is kept now. Throws ApiProblem. */
  read: () => Promise<Kept>
}

export function useMerging(seen: Kept, form: Form) {
  const { busy, problem, send } = useSending()
  const clash = shallowRef<readonly Difference[]>([])
  let base = seen

  /** Save; when somebody was quicker, `clash` holds what differs. True when it is saved. */
  async function save(): Promise<boolean> {
    if ((await send(() => form.send(base.version))) !== null) return true
    if (problem.value?.stale) await meet()
    return false
  }

  async function meet(): Promise<void> {
    const theirs = await send(form.read)
    if (theirs === null) return
    clash.value = differences(base.values, form.typed(), theirs.values)
    base = theirs
  }

  /** The person has chosen; what was not asked about is theirs. */
  async function settle(values: Values): Promise<boolean> {
    clash.value = []
    form.fill({ ...base.values, ...values })
    return save()
  }

  /** Not now: what was typed stays, and so does what is kept. */
  function later(): void {
    clash.value = []
  }

  return { problem, clash, busy, save, settle, later }
}
