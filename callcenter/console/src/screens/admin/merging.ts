/** A form over something that others edit too: what they saved meanwhile is read and laid beside what was typed. */
import { shallowRef } from 'vue'
import { ApiProblem } from '@/api/problem'
import { differences, type Difference, type Values } from '@/drafts/values'

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
  const problem = shallowRef<ApiProblem | null>(null)
  const clash = shallowRef<readonly Difference[]>([])
  const busy = shallowRef(false)
  let base = seen

  /** Save; when somebody was quicker, `clash` holds what differs. True when it is saved. */
  async function save(): Promise<boolean> {
    busy.value = true
    problem.value = null
    try {
      await form.send(base.version)
      return true
    } catch (error) {
      if (error instanceof ApiProblem && error.stale) await meet()
      else problem.value = error as ApiProblem
      return false
    } finally {
      busy.value = false
    }
  }

  async function meet(): Promise<void> {
    try {
      const theirs = await form.read()
      clash.value = differences(base.values, form.typed(), theirs.values)
      base = theirs
    } catch (error) {
      problem.value = error as ApiProblem
    }
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
