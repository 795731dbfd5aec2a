/** The unit directory, read once and kept for a while: every picker shows the same list. */
import { computed, shallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'

export type Unit = Schemas['UnitRows']['units'][number]

const KEEP_MS = 5 * 60_000
const units = shallowRef<Unit[]>([])
let readAt = 0
let reading: Promise<void> | undefined

async function read(): Promise<void> {
  const found = await done(http.GET('/api/unit-directory'))
  units.value = [...found.units].sort((a, b) => Number(b.active) - Number(a.active) || a.name.localeCompare(b.name, 'zh'))
  readAt = Date.now()
}

/** The units there are; read in the background when the list is old. */
export function useUnits() {
  if (Date.now() - readAt > KEEP_MS) {
    reading ??= read().catch(() => undefined).finally(() => (reading = undefined))
  }
  const byId = computed(() => new Map(units.value.map((one) => [one.id, one])))
  const nameOf = (id: string | null | undefined): string => (id ? (byId.value.get(id)?.name ?? id) : '')
  return { units, byId, nameOf }
}
