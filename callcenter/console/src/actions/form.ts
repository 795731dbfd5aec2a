/** How a form comes out of the registry: with the texts of its areas, and told what it is for where events share one. */
import { h, type Component } from 'vue'
import { loadWords } from '@/locales/words'
import type { FormLoader } from './registry'

/** For one file of the registry. `given`: props beside the story, for a form that serves more than one event. */
export function formsWith(...areas: string[]) {
  return (load: () => Promise<{ default: Component }>, given?: Record<string, unknown>): FormLoader => async () => {
    const [{ default: one }] = await Promise.all([load(), loadWords(...areas)])
    return given === undefined ? one : { render: () => h(one, given) }
  }
}
