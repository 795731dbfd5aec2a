/** What the regulation lets a supervisor choose from, and the units by name; read once and kept for a while. */
import { computed, shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { failed } from '@/parts/ask'

export type SupervisionWords = Schemas['SupervisionWords']

const KEEP_MS = 5 * 60_000
const words = shallowRef<SupervisionWords | null>(null)
let readAt = 0
let reading: Promise<void> | undefined

async function read(): Promise<void> {
  words.value = await done(http.GET('/api/supervision-words'))
  readAt = Date.now()
}

export function useSupervisionWords() {
  if (Date.now() - readAt > KEEP_MS) reading ??= read().catch(failed).finally(() => (reading = undefined))
  const names = computed(() => new Map(words.value?.units.map((one) => [one.id, one.name]) ?? []))
  /** A unit as people call it; its id where nobody knows it. */
  const unitName = (id: string | null | undefined): string => (id ? (names.value.get(id) ?? id) : '')
  return { words, unitName }
}
