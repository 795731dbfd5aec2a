/** What a form holds, compared three ways: as it was read, as it is typed here, as somebody else has saved it. */

export type Value = string | boolean | readonly string[]
export type Values = Record<string, Value>

export interface Difference {
  name: string
  /** Undefined where the field was not there. */
  base: Value | undefined
  mine: Value | undefined
  theirs: Value | undefined
  /** Both changed it, and not to the same. */
  conflict: boolean
}

/** Equal; lists are sets here, so their order says nothing. */
export function same(one: Value | undefined, other: Value | undefined): boolean {
  if (!Array.isArray(one) || !Array.isArray(other)) return one === other
  return one.length === other.length && one.every((item) => other.includes(item))
}

/** Names of the fields that differ from `base`. */
export function changed(base: Values, mine: Values): string[] {
  return Object.keys(mine).filter((name) => !same(base[name], mine[name]))
}

/** Every field that somebody changed, conflicts first. */
export function differences(base: Values, mine: Values, theirs: Values): Difference[] {
  const names = new Set([...changed(base, mine), ...changed(base, theirs)])
  const all = [...names].map((name) => {
    const [was, here, there] = [base[name], mine[name], theirs[name]]
    return { name, base: was, mine: here, theirs: there, conflict: !same(was, here) && !same(was, there) && !same(here, there) }
  })
  return all.sort((a, b) => Number(b.conflict) - Number(a.conflict))
}

/** Mine where I changed something, theirs everywhere else. */
export function combined(base: Values, mine: Values, theirs: Values): Values {
  return { ...theirs, ...pick(mine, changed(base, mine)) }
}

/** Some fields only. */
export function pick(values: Values, names: readonly string[]): Values {
  return Object.fromEntries(names.map((name) => [name, values[name] as Value]))
}
