/** What the regulation lets people write and ask, and the units by name; read once and kept for a while. */
import { computed, shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { failed } from '@/parts/ask'
import { words as said } from '@/locales/words'

export type KnowledgeWords = Schemas['KnowledgeWords']
export type Template = KnowledgeWords['templates'][number]

const KEEP_MS = 5 * 60_000
const words = shallowRef<KnowledgeWords | null>(null)
let readAt = 0
let reading: Promise<void> | undefined

async function read(): Promise<void> {
  words.value = await done(http.GET('/api/knowledge/words'))
  readAt = Date.now()
}

/** There for sure once this has been waited for. Throws ApiProblem. */
export async function readWords(): Promise<KnowledgeWords> {
  if (words.value === null || Date.now() - readAt > KEEP_MS) {
    reading ??= read().finally(() => (reading = undefined))
    await reading
  }
  return words.value as unknown as KnowledgeWords
}

export function useKnowledgeWords() {
  readWords().catch(failed)
  const names = computed(() => new Map(words.value?.units.map((one) => [one.id, one.name]) ?? []))
  /** A unit as people call it; its id where nobody knows it. */
  const unitName = (id: string | null | undefined): string => (id ? (names.value.get(id) ?? id) : '')
  const asked = computed(() => words.value?.units.filter((one) => one.asked) ?? [])
  return { words, unitName, asked }
}

/** Who did something: `user:name`, `system:part`. */
export function byWhom(actor: string | null | undefined): string {
  if (!actor) return ''
  const at = actor.indexOf(':')
  return actor.slice(0, at) === 'system' ? said('knowledge.by_system') : actor.slice(at + 1)
}
