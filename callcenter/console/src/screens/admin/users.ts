/** What is known of accounts on several pages: what can be given, and how an account is said. */
import { shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { failed } from '@/parts/ask'
import type { Values } from '@/drafts/values'

export type User = Schemas['UserRow']
export type Choices = Schemas['UserChoices']

export const STATE_MARKS: Record<string, string> = { active: 'ok', first: 'warn', locked: 'bad', disabled: 'off' }
export const FIELDS = ['name', 'roles', 'unit', 'titles', 'extension', 'queues'] as const

/** What accounts can be given; read once a page. */
export function useChoices() {
  const choices = shallowRef<Choices | null>(null)
  done(http.GET('/api/user-choices')).then((found) => (choices.value = found), failed)
  const unitName = (id: string | null | undefined): string =>
    choices.value?.units.find((one) => one.id === id)?.name ?? id ?? ''
  return { choices, unitName }
}

/** An account as values to be compared. */
export function valuesOf(user: User): Values {
  return {
    name: user.name, roles: user.roles, unit: user.unit ?? '', titles: user.titles,
    extension: user.extension ?? '', queues: user.queues,
  }
}

/** Values as the API takes them. */
export function fieldsOf(values: Values) {
  const text = (name: string): string => String(values[name] ?? '').trim()
  const list = (name: string): string[] => [...((values[name] as readonly string[] | undefined) ?? [])]
  return {
    name: text('name'), roles: list('roles') as Schemas['Role'][], unit: text('unit') || null, titles: list('titles'),
    extension: text('extension') || null, queues: list('queues'),
  }
}
