/** What a screen shows, kept in its address: a link shows the same to somebody else, and the way back works. */
import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { current, nameOf, parseTerm } from './terms'

/** One word of the address; `` takes it out. */
export function useWord(key: string, fallback = ''): WritableComputedRef<string> {
  const [route, router] = [useRoute(), useRouter()]
  return computed({
    get: () => (typeof route.query[key] === 'string' ? route.query[key] : fallback),
    set: (word) => void router.replace({ query: { ...route.query, [key]: word || undefined } }),
  })
}

/** The term; the month that runs unless the address says another. */
export function useTerm(): WritableComputedRef<string> {
  const word = useWord('term')
  return computed({
    get: () => (parseTerm(word.value) === null ? nameOf(current('month')) : word.value),
    set: (name) => (word.value = name),
  })
}
