/** The lists of intake: read once for each regulation, shared by all forms of the page. */
import { computed, shallowRef, watch } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import type { ApiProblem } from '@/api/problem'
import type { Value } from './values'

export type IntakeOptions = Schemas['IntakeOptions']
export type UnitRow = Schemas['Units']['units'][number]

interface Lists {
  options: IntakeOptions
  units: readonly UnitRow[]
}

const read = new Map<string, Promise<Lists>>()

/** The lists of a ticket's regulation; `` for the one in use now, which most tickets are under. Throws ApiProblem. */
export async function intakeLists(policy: string): Promise<Lists> {
  const now = await known('')
  return policy === '' || now.options.policy === policy ? now : await known(policy)
}

function known(policy: string): Promise<Lists> {
  let lists = read.get(policy)
  if (lists === undefined) {
    lists = both(policy)
    read.set(policy, lists)
    lists.catch(() => read.delete(policy))
  }
  return lists
}

async function both(policy: string): Promise<Lists> {
  const [options, units] = await Promise.all([
    done(http.GET('/api/intake-options', { params: { query: { policy } } })),
    done(http.GET('/api/units')).then((told) => told.units),
  ])
  return { options, units: units.filter((one) => !one.emergency) }
}

/** The lists as a component uses them; null until they are there. policy: of its ticket, null while it is not read. */
export function useIntake(policy: () => string | null) {
  const lists = shallowRef<Lists | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  async function load(): Promise<void> {
    const wanted = policy()
    if (wanted === null) return
    try {
      lists.value = await intakeLists(wanted)
      problem.value = null
    } catch (error) {
      problem.value = error as ApiProblem
    }
  }
  watch(policy, load, { immediate: true })

  const options = computed(() => lists.value?.options ?? null)
  const units = computed(() => lists.value?.units ?? [])

  /** A value as people read it: names in place of codes. */
  function shown(name: string, value: Value | undefined): string {
    if (Array.isArray(value)) return value.map((code) => options.value?.flags.find((one) => one.code === code)?.name ?? code).join('、')
    if (typeof value === 'boolean') return value ? '✓' : '—'
    const text = String(value ?? '')
    if (name === 'subject') {
      const known = options.value?.subjects.find((one) => one.code === text)
      return known ? `${known.group} / ${known.name}` : text
    }
    return text
  }
  return { options, units, problem, load, shown }
}
