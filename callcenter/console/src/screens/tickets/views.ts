/** A person's own named filters, kept in this browser: how they look at the list, never what they looked for. */
import { ref } from 'vue'
import { impersonal } from './filters'

export interface View {
  name: string
  query: Record<string, string>
}

const MOST = 12

export function useViews(login: string) {
  const key = `cc.tickets.views.${login}`
  const views = ref<View[]>(read(key))

  function keep(name: string, query: Record<string, string>): void {
    views.value = [...views.value.filter((one) => one.name !== name), { name, query: impersonal(query) }].slice(-MOST)
    localStorage.setItem(key, JSON.stringify(views.value))
  }

  function drop(name: string): void {
    views.value = views.value.filter((one) => one.name !== name)
    localStorage.setItem(key, JSON.stringify(views.value))
  }

  return { views, keep, drop }
}

/** What is stored may be of an older console, or broken. */
function read(key: string): View[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key) ?? '[]')
    return Array.isArray(found) ? found.filter(isView) : []
  } catch {
    return []
  }
}

function isView(one: unknown): one is View {
  const view = one as Partial<View> | null
  return typeof view?.name === 'string' && typeof view.query === 'object' && view.query !== null
}
