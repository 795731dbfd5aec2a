/** The directory of units on the administrator's pages: read whole, shown as a tree, edited field by field. */
import { done, http, type Schemas } from '@/api/http'
import type { Values } from '@/drafts/values'

export type Unit = Schemas['callcenter__web__units__UnitRow']
export type Person = Schemas['PersonRow']

export const KINDS = ['department', 'township', 'enterprise', 'subordinate'] as const
export const POSTS = ['principal', 'deputy', 'liaison', 'handler', 'duty'] as const
export type Post = (typeof POSTS)[number]

export interface Branch {
  unit: Unit
  depth: number
}

export async function readUnits(): Promise<Unit[]> {
  return (await done(http.GET('/api/unit-directory'))).units
}

/** Units under their parents, in the order of their names; one whose parent is not there stands at the top. */
export function treeOf(units: readonly Unit[], wanted: (unit: Unit) => boolean): Branch[] {
  const known = new Set(units.map((one) => one.id))
  const below = new Map<string, Unit[]>()
  for (const unit of [...units].sort((a, b) => a.name.localeCompare(b.name, 'zh-CN'))) {
    const parent = unit.parent !== null && unit.parent !== undefined && known.has(unit.parent) ? unit.parent : ''
    below.set(parent, [...(below.get(parent) ?? []), unit])
  }
  const found: Branch[] = []
  const walk = (parent: string, depth: number): void => {
    for (const unit of below.get(parent) ?? []) {
      const here = found.length
      walk(unit.id, depth + 1)
      // A parent is shown for the sake of those below it that are wanted.
      if (wanted(unit) || found.length > here) found.splice(here, 0, { unit, depth })
    }
  }
  walk('', 0)
  return found
}

const lines = (text: unknown): string[] => String(text ?? '').split(/[\n,，、;；]+/).map((one) => one.trim()).filter(Boolean)

/** A unit as values to be compared: lists of words a line each, opening hours as one text. */
export function valuesOf(unit: Unit): Values {
  return {
    name: unit.name, kind: unit.kind, parent: unit.parent ?? '', phone: unit.phone, active: unit.active,
    administrative: unit.administrative, functions: unit.functions.join('\n'), territory: unit.territory.join('\n'),
    industry: unit.industry.join('\n'), hours: unit.hours ? unit.hours.map((span) => span.join('-')).join('\n') : '',
  }
}

export function fieldsOf(values: Values) {
  const text = (name: string): string => String(values[name] ?? '').trim()
  const hours = lines(values.hours).map((span) => span.split(/[-—–]/).map((one) => one.trim()))
  return {
    name: text('name'), kind: text('kind') as Schemas['UnitKind'], parent: text('parent') || null, phone: text('phone'),
    active: values.active === true, administrative: values.administrative === true,
    functions: lines(values.functions), territory: lines(values.territory), industry: lines(values.industry),
    hours: hours.length ? hours : null,
  }
}
